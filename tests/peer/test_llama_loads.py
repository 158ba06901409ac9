#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# tests/peer/test_llama_loads.py - llama.cpp loads what `collet quantize` writes, and goes on as Collet does.
#
# Skipped without build/peer-venv (scripts/peer_venv.sh). A model of each type and recipe is made of the demo model; the
# peer reads its keys, tensors and bytes with gguf-py, loads it, and continues a text greedily. Texts may part where two
# tokens are nearly as likely, since the peer rounds activations to 8 bits: what is asked is that ours is the peer's
# choice too, or close to it, at each of its steps.
import json
import os
import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cli"))
from program import SMOLLM2, SOURCE, ProgramTest, collet, skip  # noqa: E402

VENV = SOURCE / "build/peer-venv"
PEER = pathlib.Path(__file__).with_name("peer.py")
TYPES = ("f32 f16 bf16 q4_0 q4_1 q5_0 q5_1 q8_0 q2_k q3_k q4_k q5_k q6_k iq4_nl iq4_xs mxfp4 "
         "q2_k_s q3_k_s q3_k_m q3_k_l q4_k_s q4_k_m q5_k_s q5_k_m").split()
PROMPT = "The capital of France is"
N_TOKENS = 16
FAR = 0.5  # of logits: further apart than activations of 8 bits explain (goldens/README.md, generate)


class Peer(ProgramTest):
    def setUp(self):
        super().setUp()
        if not (VENV / "bin/python").exists():
            skip("no build/peer-venv (scripts/peer_venv.sh)")
        self.need(SMOLLM2)

    def peer(self, *args):
        env, libs = dict(os.environ), VENV / "llama-libs"
        if libs.exists():
            env["LLAMA_CPP_LIB_PATH"] = libs.read_text().strip()
        done = subprocess.run([VENV / "bin/python", PEER, *map(str, args)], capture_output=True, env=env, timeout=300,
                              check=False)
        self.assertEqual(done.returncode, 0, done.stderr.decode(errors="replace")[-2000:])
        return json.loads(done.stdout)

    def test_llama_loads__every_type_and_goes_on_alike(self):
        ids = json.loads(self.assert_ok(collet("tokenize", "-m", SMOLLM2, PROMPT)).out)["ids"]
        before = self.peer("layout", SMOLLM2)
        for kind in os.environ.get("COLLET_PEER_TYPES", " ".join(TYPES)).split():
            with self.subTest(kind):
                made = self.folder / f"{kind}.gguf"
                told = json.loads(self.assert_ok(collet("quantize", "--allow-requantize", "--json", "--type", kind,
                                                        SMOLLM2, made)).out)
                self.check_layout(before, self.peer("layout", made), told)
                ours = json.loads(self.assert_ok(collet("generate", "-m", made, "--ids", ",".join(map(str, ids)),
                                                        "-n", N_TOKENS, "--temperature", 0, "--json")).out)["ids"]
                steps = self.peer("follow", made, json.dumps(ids), json.dumps(ours))
                gaps = [step["best"] - step["of_given"] for step in steps]
                same = sum(gap == 0 for gap in gaps)
                print(f"{kind}: {same} of {len(gaps)} tokens are the peer's choice too, largest gap {max(gaps):.2f}",
                      file=sys.stderr)
                self.assertLess(max(gaps), FAR)
                made.unlink()

    def check_layout(self, before, after, told):
        """Keys (but for what quantizing changes) and the order of tensors stay, every tensor is aligned and whole."""
        changed = ("general.file_type", "general.quantization_version", "GGUF.kv_count")
        for key, value in before["keys"].items():
            if key not in changed:
                self.assertEqual(after["keys"][key], value, key)
        self.assertEqual([t["name"] for t in after["tensors"]], [t["name"] for t in before["tensors"]])
        for ours, theirs in zip(told["tensors"], after["tensors"]):
            self.assertEqual(theirs["offset"] % after["alignment"], 0, theirs["name"])
            self.assertEqual((ours["to"], ours["to_bytes"]), (theirs["format"], theirs["bytes"]), theirs["name"])


if __name__ == "__main__":
    unittest.main()
