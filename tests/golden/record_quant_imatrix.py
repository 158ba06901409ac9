#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# tests/golden/record_quant_imatrix.py - records what ggml's quantizers lose when they are given importances.
#
#     record_quant_imatrix.py LIBGGML_BASE.so GOLDENS > tests/golden/data/quant_imatrix.json
#
# The error is that of the goldens, weighted: sqrt(sum p (x - value)^2 / sum p), p being the importance of a column.
# Importances come from a hash, so that the test makes the same ones: `ones`; `hot`, 1 column of 64 with 100; `tail`,
# 65536 / (1 .. 65536). ggml's bytes are decoded by ggml.
import ctypes
import json
import pathlib
import sys

import numpy as np

FORMATS = "q4_0 q4_1 q5_0 q5_1 q8_0 q2_k q3_k q4_k q5_k q6_k iq4_nl iq4_xs mxfp4".split()
GAUSS_ROWS = 32


def importances(kind, n):
    h = (np.arange(n, dtype=np.uint32) * np.uint32(2654435761)) >> np.uint32(8) & np.uint32(0xffff)
    if kind == "ones":
        return np.ones(n, np.float32)
    if kind == "hot":
        return np.where(h % 64 == 0, 100, 1).astype(np.float32)
    return np.float32(65536) / (h + np.uint32(1)).astype(np.float32)


class Ggml:
    def __init__(self, path):
        self.lib = ctypes.CDLL(path)
        self.lib.ggml_quantize_chunk.restype = ctypes.c_size_t
        self.lib.ggml_quantize_chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p] + \
            [ctypes.c_int64] * 3 + [ctypes.c_void_p]

    def round_trip(self, kind, x, p):
        blocks = np.zeros(x.size * 2, np.uint8)
        self.lib.ggml_quantize_chunk(kind["id"], x.ctypes.data, blocks.ctypes.data, 0, *x.shape, p.ctypes.data)
        back = np.empty_like(x)
        name = kind["ggml_name"]
        decode = getattr(self.lib, f"dequantize_row_{name}")
        decode.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]
        decode(blocks.ctypes.data, back.ctypes.data, x.size)
        return back


def errors(x, back, p):
    square = (x.astype(np.float64) - back) ** 2 * p
    return np.sqrt(square.sum(axis=1) / p.sum(dtype=np.float64))


def main():
    ggml, folder = Ggml(sys.argv[1]), pathlib.Path(sys.argv[2]) / "quant"
    types = {t["type"].lower(): t for t in json.loads((folder / "manifest.json").read_text())["types"]}
    x = np.fromfile(folder / "input.f32", np.float32).reshape(8, 512)
    gauss = np.fromfile(folder / "gauss_256x4096.f16", np.float16).astype(np.float32).reshape(256, 4096)[:GAUSS_ROWS]
    out = {"made_with": "ggml 0.25.3", "gauss_rows": GAUSS_ROWS, "types": {}}
    for name in FORMATS:
        rows = {}
        for kind in ("ones", "hot", "tail"):
            p, q = importances(kind, 512), importances(kind, 4096)
            e = errors(gauss, ggml.round_trip(types[name], gauss, q), q)
            rows[kind] = {"row_rmse": list(errors(x, ggml.round_trip(types[name], x, p), p)),
                          "gauss_rmse": float(np.sqrt((e * e).mean()))}
        out["types"][name] = rows
    print(json.dumps(out, indent=1))


main()
