#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# tests/cli/test_cli_memory.py - where every byte is: resident memory beside the file's size, estimates beside loads.
import json
import os
import signal
import subprocess
import time
import unittest

from program import (COLLET, GEMMA3, INTERRUPTED, SMOLLM2, TINY, USAGE, ProgramTest, collet, environment, sanitizers,
                     skip)
from synthetic import write_llama

MIB = 1 << 20
MODEL_1 = {"layers": 16, "dim": 2048, "ffn": 5632, "heads": 16, "kv_heads": 4}  # 720 million weights: 387 MiB of q4_k
MODEL_2 = {**MODEL_1, "layers": 8}                                             # 690 MiB of f16


class Memory(ProgramTest):
    def unsanitized(self):
        if sanitizers():
            skip("a sanitizer's shadow memory is not the program's")

    def load(self, *args):
        """generate --json of one token, at the smallest context that answers."""
        out = self.assert_ok(collet("generate", "--ids", "1,2,3", "-n", "1", "--json", "--context", "64",
                                    "--set", "engine.step_tokens=16", *args)).out
        return json.loads(out)

    def estimate(self, *args):
        return json.loads(self.assert_ok(collet("estimate", "--json", *args)).out)


class Resident(Memory):
    """The overhead of program, plugins, tokenizer and activations is some 15 MiB, so small files have wider bounds."""

    def check(self, path, bound):
        self.unsanitized()
        answer = self.load("-m", path)
        size = path.stat().st_size
        self.assertLess(answer["resident"]["bytes"], bound * size)
        self.assertLess(answer["resident"]["peak_bytes"], bound * size + 8 * MIB)  # while loading, too
        print(f"{path.name}: {answer['resident']['bytes'] / size:.3f} of the file resident, "
              f"{answer['resident']['peak_bytes'] / size:.3f} at the peak")
        return answer

    def test_cli_memory__a_file_of_one_4_bit_format_is_held_within_a_tenth(self):
        path = self.folder / "pure-q4_k.gguf"
        write_llama(path, form="q4_k", **MODEL_1)
        self.check(path, 1.10)

    def test_cli_memory__a_4_bit_file_of_small_blocks_is_held_within_a_tenth(self):
        path = self.folder / "pure-q4_0.gguf"
        write_llama(path, form="q4_0", output="q4_0", **MODEL_1)
        self.check(path, 1.10)

    def test_cli_memory__gemma_3_is_held_within_1_12_of_its_file(self):
        self.check(self.need(GEMMA3), 1.12)

    def test_cli_memory__smollm2_is_held_within_1_20_of_its_file(self):
        self.check(self.need(SMOLLM2), 1.20)  # 94 MiB: the program is an eighth of it


class Quantizing(Memory):
    def test_cli_memory__isq_peaks_at_the_result_and_little_more(self):
        self.unsanitized()
        path = self.folder / "f16.gguf"
        n_f16 = write_llama(path, form="f16", **MODEL_2)
        for isq in ("q8_0", "q4_k"):
            with self.subTest(isq):
                answer = self.load("-m", path, "--isq", isq)
                result = sum(n for name, n in answer["memory"].items() if name.startswith("weights"))
                self.assertLess(result, 0.6 * n_f16)
                self.assertLess(answer["resident"]["peak_bytes"], result + 64 * MIB)  # the issue allows 256
                print(f"isq {isq}: {result / MIB:.0f} MiB, peak {answer['resident']['peak_bytes'] / MIB:.0f} MiB")

    def test_cli_memory__interrupted_while_loading_ends_with_130(self):
        path = self.folder / "f16.gguf"
        write_llama(path, form="f16", **MODEL_2)
        child = subprocess.Popen([str(COLLET), "generate", "-m", str(path), "--ids", "1", "--isq", "q4_k",
                                  "--threads", "1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())
        maps = f"/proc/{child.pid}/status"
        for _ in range(3000):  # until weights are being made
            with open(maps) as f:
                anonymous = next((int(line.split()[1]) for line in f if line.startswith("RssAnon:")), 0)
            if anonymous > 60 << 10:
                break
            self.assertIsNone(child.poll(), "it was done before it could be interrupted")
            time.sleep(0.005)
        begin = time.monotonic()
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=60)
        self.assertEqual(child.returncode, INTERRUPTED, err)
        self.assertLess(time.monotonic() - begin, 5 if sanitizers() else 2)
        self.assertEqual(out, b"")
        self.assertIn(b"interrupted", err)
        self.assertEqual(sorted(os.listdir(self.folder)), ["f16.gguf"])


class Estimates(Memory):
    def compare(self, *args):
        """Every owner but `program` to the byte, and the resident memory of the load within what is foretold."""
        answer = self.load(*args)
        foretold = self.estimate("--context", "64", "--max-requests", "1", "--set", "engine.step_tokens=16", *args)
        self.assertEqual(foretold["memory"], answer["memory"])
        self.assertEqual(foretold["plan"], answer["plan"])
        self.assertEqual(foretold["total_bytes"], sum(foretold["memory"].values()) + foretold["program_bytes"])
        if not sanitizers():
            self.assertLess(answer["resident"]["peak_bytes"], foretold["peak_bytes"] + 16 * MIB)
            weights = sum(n for name, n in foretold["memory"].items() if name.startswith("weights"))
            self.assertGreater(answer["resident"]["bytes"], weights - 16 * MIB)
        return foretold

    def test_cli_memory__estimates_are_what_a_load_reports(self):
        for model in (TINY, SMOLLM2, GEMMA3):
            if model.exists():
                with self.subTest(model.name):
                    self.compare("-m", model)
        self.need(TINY)
        for args in (("--isq", "q8_0"), ("--isq", "q4_0", "--threads", "3"), ("--device", "sim"),
                     ("--device", "sim", "--isq", "q8_0"), ("--set", "slots.ops=cpu.ops.ref", "--isq", "q8_0"),
                     ("--set", "options.kv.contiguous.dtype=f32")):
            with self.subTest(args):
                self.compare("-m", TINY, *args)

    def test_cli_memory__estimates_count_requests_and_context(self):
        self.need(TINY)
        one = self.estimate("-m", TINY, "--context", "64", "--max-requests", "1")["memory"]["kv cache"]
        self.assertEqual(self.estimate("-m", TINY, "--context", "128", "--max-requests", "3")["memory"]["kv cache"],
                         6 * one)
        self.assert_fails(collet("estimate", "-m", TINY, "--max-requests", "0"), USAGE,
                          "--max-requests: '0' is out of range")

    def test_cli_memory__what_does_not_fit_is_an_answer(self):  # 512 GiB of holes
        path = self.folder / "big.gguf"
        n = write_llama(path, form="f16", layers=64, dim=16384, ffn=65536, heads=128, kv_heads=128)
        foretold = self.estimate("-m", path, "--max-requests", "4", "--context", "4096")
        if foretold["available_bytes"] is None:
            skip("this machine does not tell its memory")
        self.assertGreater(foretold["peak_bytes"], n)
        self.assertIs(foretold["fits"], False)
        self.assertIn("does not fit: needs", self.assert_ok(collet("estimate", "-m", path)).out)
        small = self.estimate("-m", self.need(TINY), "--context", "64")
        self.assertIs(small["fits"], True)


if __name__ == "__main__":
    unittest.main()
