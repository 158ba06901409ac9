# SPDX-License-Identifier: Apache-2.0
# tests/peer/peer.py - what llama.cpp and gguf-py say of a file, as JSON; run by the Python of build/peer-venv.
#
#     peer.py layout FILE                  keys, alignment, and per tensor name, format, offset, bytes
#     peer.py follow FILE PROMPT IDS       JSON lists of ids: per id of IDS its logit after all before it, and the best
import json
import sys


def layout(path):
    from gguf import GGUFReader
    r = GGUFReader(path)
    keys = {}
    for name, field in r.fields.items():
        parts = [bytes(field.parts[i]).hex() for i in field.data]
        keys[name] = [[t.name for t in field.types], len(parts), parts[:64], parts[-64:]]
    return {"keys": keys, "alignment": int(r.alignment),
            "tensors": [{"name": t.name, "format": t.tensor_type.name.lower(), "offset": int(t.data_offset),
                         "bytes": int(t.n_bytes)} for t in r.tensors]}


def follow(path, prompt, ids):
    from llama_cpp import Llama
    prompt, ids = json.loads(prompt), json.loads(ids)
    model = Llama(path, n_ctx=256, n_threads=2, logits_all=True, verbose=False)
    model.eval(prompt + ids)
    rows = model.scores[len(prompt) - 1:len(prompt) + len(ids) - 1]
    return [{"best": float(row.max()), "of_given": float(row[i])} for row, i in zip(rows, ids)]


print(json.dumps({"layout": layout, "follow": follow}[sys.argv[1]](*sys.argv[2:])))
