#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# scripts/synthetic_gguf.py - model files of true shapes with random weights, for measurements of speed.
#
# The speed of a dense transformer does not depend on what its weights say, so such a file measures an engine as well
# as a real checkpoint and needs no download. A million Gaussian weights (sigma 0.02) are drawn and encoded once by
# `collet codec encode`; every matrix is filled with these blocks from a random one on. The standard library is enough,
# and seconds: it has to run where nothing can be installed. The vocabulary is a fake one, of bytes and fillers.
import argparse
import array
import os
import pathlib
import random
import struct
import subprocess
import sys
import tempfile

SHAPES = {  # as Llama 3.2 1B, Llama 3.1 8B; gemm: one layer whose matrices are those of target C6
    "1b": {"layers": 16, "d": 2048, "ffn": 8192, "heads": 32, "kv": 8, "head_dim": 64, "vocab": 128256, "tied": True},
    "8b": {"layers": 32, "d": 4096, "ffn": 14336, "heads": 32, "kv": 8, "head_dim": 128, "vocab": 128256,
           "tied": False},
    "gemm": {"layers": 1, "d": 4096, "ffn": 4096, "heads": 32, "kv": 32, "head_dim": 128, "vocab": 512, "tied": True},
    "tiny": {"layers": 2, "d": 256, "ffn": 512, "heads": 8, "kv": 4, "head_dim": 32, "vocab": 512, "tied": True},
}
FORMATS = {  # ggml's number, elements and bytes of a block, general.file_type
    "f32": (0, 1, 4, 0), "f16": (1, 1, 2, 1), "bf16": (30, 1, 2, 32), "q4_0": (2, 32, 18, 2), "q4_1": (3, 32, 20, 3),
    "q8_0": (8, 32, 34, 7), "q2_k": (10, 256, 84, 10), "q3_k": (11, 256, 110, 12), "q4_k": (12, 256, 144, 15),
    "q5_k": (13, 256, 176, 17), "q6_k": (14, 256, 210, 18),
}
POOL = 1 << 20  # weights drawn
ALIGNMENT = 32
U32, I32, F32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9  # value types of GGUF


def text(s):
    raw = s.encode()
    return struct.pack("<Q", len(raw)) + raw


def value(kind, v):
    if kind == STRING:
        return text(v)
    return struct.pack({U32: "<I", I32: "<i", F32: "<f", BOOL: "<?"}[kind], v)


def entry(key, kind, v):
    return text(key) + struct.pack("<I", kind) + value(kind, v)


def entries(key, kind, values):
    head = text(key) + struct.pack("<IIQ", ARRAY, kind, len(values))
    return head + b"".join(value(kind, v) for v in values)


def metadata(name, s, file_type):
    filler = s["vocab"] - 259
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]
    tokens += [f"\u2581filler{i}" for i in range(filler)]
    return [
        entry("general.architecture", STRING, "llama"),
        entry("general.name", STRING, f"synthetic {name}"),
        entry("general.file_type", U32, file_type),
        entry("llama.context_length", U32, 131072),
        entry("llama.embedding_length", U32, s["d"]),
        entry("llama.block_count", U32, s["layers"]),
        entry("llama.feed_forward_length", U32, s["ffn"]),
        entry("llama.attention.head_count", U32, s["heads"]),
        entry("llama.attention.head_count_kv", U32, s["kv"]),
        entry("llama.attention.key_length", U32, s["head_dim"]),
        entry("llama.attention.value_length", U32, s["head_dim"]),
        entry("llama.attention.layer_norm_rms_epsilon", F32, 1e-5),
        entry("llama.rope.dimension_count", U32, s["head_dim"]),
        entry("llama.rope.freq_base", F32, 500000.0),
        entry("llama.vocab_size", U32, s["vocab"]),
        entry("tokenizer.ggml.model", STRING, "llama"),
        entries("tokenizer.ggml.tokens", STRING, tokens),
        entries("tokenizer.ggml.scores", F32, [0.0] * 259 + [-1000.0 - i for i in range(filler)]),
        entries("tokenizer.ggml.token_type", I32, [2, 3, 3] + [6] * 256 + [1] * filler),
        entry("tokenizer.ggml.bos_token_id", U32, 1),
        entry("tokenizer.ggml.eos_token_id", U32, 2),
        entry("tokenizer.ggml.unknown_token_id", U32, 0),
        entry("tokenizer.ggml.add_bos_token", BOOL, True),
    ]


def tensors(s):
    """(name, (rows, columns)); no rows: a norm."""
    d, q, kv = s["d"], s["heads"] * s["head_dim"], s["kv"] * s["head_dim"]
    out = [("token_embd.weight", (s["vocab"], d))]
    for i in range(s["layers"]):
        out += [(f"blk.{i}.{name}.weight", shape) for name, shape in (
            ("attn_norm", (0, d)), ("attn_q", (q, d)), ("attn_k", (kv, d)), ("attn_v", (kv, d)),
            ("attn_output", (d, q)), ("ffn_norm", (0, d)), ("ffn_gate", (s["ffn"], d)), ("ffn_up", (s["ffn"], d)),
            ("ffn_down", (d, s["ffn"])))]
    out.append(("output_norm.weight", (0, d)))
    if not s["tied"]:
        out.append(("output.weight", (s["vocab"], d)))
    return out


def encoded_pool(collet, fmt, seed):
    rng = random.Random(seed)
    values = array.array("f", (rng.gauss(0.0, 0.02) for _ in range(POOL)))
    if fmt == "f32":
        return values.tobytes()
    with tempfile.TemporaryDirectory() as folder:
        raw, out = os.path.join(folder, "pool.f32"), os.path.join(folder, "pool.bin")
        pathlib.Path(raw).write_bytes(values.tobytes())
        subprocess.run([str(collet), "codec", "encode", "--format", fmt, "--cols", "4096", raw, out], check=True)
        return pathlib.Path(out).read_bytes()


def write_blocks(f, pool, block_bytes, n_bytes, rng):
    while n_bytes > 0:
        begin = rng.randrange(len(pool) // block_bytes) * block_bytes
        part = pool[begin:begin + n_bytes]
        f.write(part)
        n_bytes -= len(part)


def make(path, shape, fmt, collet, seed=1):
    """Writes the model at path, or nothing."""
    s, (number, elems, size, file_type) = SHAPES[shape], FORMATS[fmt]
    pool, rng, plan, offset, infos = encoded_pool(collet, fmt, seed), random.Random(seed), [], 0, []
    for name, (rows, cols) in tensors(s):
        n_bytes = rows * cols // elems * size if rows else cols * 4
        dims = (cols, rows) if rows else (cols,)
        infos.append(text(name) + struct.pack("<I", len(dims)) + struct.pack(f"<{len(dims)}Q", *dims) +
                     struct.pack("<IQ", number if rows else 0, offset))
        plan.append((rows, n_bytes))
        offset += (n_bytes + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT
    keys = metadata(shape, s, file_type)
    partial = f"{path}.partial"
    with open(partial, "wb", buffering=1 << 20) as f:
        f.write(b"GGUF" + struct.pack("<IQQ", 3, len(infos), len(keys)) + b"".join(keys) + b"".join(infos))
        for rows, n_bytes in plan:
            f.write(bytes(-f.tell() % ALIGNMENT))
            if rows:
                write_blocks(f, pool, size, n_bytes, rng)
            else:
                f.write(array.array("f", [1.0] * (n_bytes // 4)).tobytes())
        f.write(bytes(-f.tell() % ALIGNMENT))
    os.replace(partial, path)


def main():
    ap = argparse.ArgumentParser(description="Write a model file of a true shape with random weights.")
    ap.add_argument("--shape", choices=SHAPES, default="1b")
    ap.add_argument("--format", choices=FORMATS, default="f16")
    ap.add_argument("--collet", default="build/release/bin/collet", help="the program, for its encoders")
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("out")
    a = ap.parse_args()
    make(a.out, a.shape, a.format, a.collet, a.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
