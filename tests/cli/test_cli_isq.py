#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# tests/cli/test_cli_isq.py - quantizing while loading: which formats, the bits of a file made before, what is refused.
import json
import os
import pathlib
import pty
import struct
import subprocess
import unittest

from program import COLLET, GEMMA3, MODEL, OK, SMOLLM2, TINY, USAGE, ProgramTest, collet, environment
from synthetic import write_llama

# What llama-quantize chose (its --dry-run, 2026-09): recipe -> part of the name -> format, or format -> layers.
RECIPES = json.loads((pathlib.Path(__file__).parent / "data/recipes.json").read_text())
IDS = "1,2,3,4,5,6,7,8"


def expected(choice, layer):
    if isinstance(choice, str):
        return choice
    return next(name for name, layers in choice.items() if str(layer) in layers.split())


def tensor_formats(*args, env=None):
    """Tensor -> format, of the plan."""
    rows = json.loads(collet("explain", "--json", *args, env=env).out)["rows"]
    return {weight["tensor"]: weight["format"] for row in rows for weight in row["weights"]}


def read_terminal(main):
    """All that was written: a read gives as much as it likes, and EIO tells that the other side is closed."""
    shown = b""
    try:
        while chunk := os.read(main, 1 << 16):
            shown += chunk
    except OSError:
        pass
    os.close(main)
    return shown.decode()


class Recipes(ProgramTest):
    def test_cli_isq__recipes_choose_what_llama_quantize_chooses(self):
        for model in (SMOLLM2, GEMMA3):
            self.need(model)
            for recipe, parts in RECIPES[model.stem].items():
                shown = self.assert_ok(collet("quantize", "--dry-run", "--json", "--allow-requantize", "--type", recipe,
                                              model, self.folder / "x.gguf")).out
                for tensor in json.loads(shown)["tensors"]:
                    words = tensor["name"].removesuffix(".weight").split(".")
                    part, layer = (".".join(words[2:]), int(words[1])) if words[0] == "blk" else (words[0], None)
                    with self.subTest(model=model.stem, recipe=recipe, tensor=tensor["name"]):
                        self.assertEqual(tensor["to"], expected(parts.get(part, "f32"), layer))

    def test_cli_isq__names_of_mistral_widen_the_embedding(self):
        self.need(GEMMA3)
        for name in ("Q5_0", "q5_0"):  # a name of both: llama-quantize's meaning
            self.assertEqual(tensor_formats("-m", GEMMA3, "--isq", name)["blk.3.attn_q.weight"], "q5_0")
        self.assert_fails(collet("explain", "-m", GEMMA3, "--isq", "AFQ4"), USAGE,
                          "AFQ4 is a format of mistral.rs", "q4_k")
        self.assertEqual(tensor_formats("-m", GEMMA3, env={"MISTRALRS_ISQ": "8"})["token_embd.weight"], "q8_0")
        self.assertEqual(tensor_formats("-m", GEMMA3, env={"MISTRALRS_ISQ": "none"}), tensor_formats("-m", GEMMA3))


class Loading(ProgramTest):
    def logits(self, *args):
        out = self.folder / "logits"
        self.assert_ok(collet("logits", "--ids", IDS, "-o", out, *args))
        return out.read_bytes()

    def test_cli_isq__is_what_quantizing_before_would_have_made(self):
        self.need(TINY)
        for recipe in ("q8_0", "q4_0", "q5_1", "iq4_nl"):
            with self.subTest(recipe):
                made = self.folder / f"{recipe}.gguf"
                self.assert_ok(collet("quantize", "--type", recipe, TINY, made))
                self.assertEqual(self.logits("-m", TINY, "--isq", recipe), self.logits("-m", made))
                self.assertNotEqual(self.logits("-m", TINY, "--isq", recipe), self.logits("-m", TINY))

    def test_cli_isq__threads_do_not_change_the_result(self):
        self.need(TINY)
        self.assertEqual(self.logits("-m", TINY, "--isq", "q4_0", "--threads", 1),
                         self.logits("-m", TINY, "--isq", "q4_0", "--threads", 3))

    def test_cli_isq__requantizes_what_is_quantized(self):
        self.need(TINY)
        made = self.folder / "q8_0.gguf"
        self.assert_ok(collet("quantize", "--type", "q8_0", TINY, made))
        self.assertEqual(tensor_formats("-m", made, "--isq", "q4_0")["blk.0.attn_q.weight"], "q4_0")
        self.assertEqual(len(self.logits("-m", made, "--isq", "q4_0")), len(self.logits("-m", made)))

    def test_cli_isq__says_once_what_falls_back(self):
        self.need(SMOLLM2)
        result = self.assert_ok(collet("generate", "-m", SMOLLM2, "-p", "x", "-n", 1, "--isq", "q4_0"))
        self.assertEqual(result.err, "collet: warning: isq: token_embd.weight: rows of 576 do not divide into blocks "
                                     "of 256: q8_0 instead of q6_k\n")


    def test_cli_isq__importances_count_as_when_quantizing_before(self):
        self.need(TINY)
        imatrix = self.imatrix(TINY)
        made = self.folder / "made.gguf"
        self.assert_ok(collet("quantize", "--type", "q4_0", "--imatrix", imatrix, TINY, made))
        with_it = self.logits("-m", TINY, "--isq", "q4_0", "--imatrix", imatrix)
        self.assertEqual(with_it, self.logits("-m", made))
        self.assertNotEqual(with_it, self.logits("-m", TINY, "--isq", "q4_0"))

    def imatrix(self, model, rows_of=None):
        """An importance matrix in the old form: each column of each layer's matrices as important as its place."""
        tensors = json.loads(self.assert_ok(collet("inspect", "--json", model)).out)["tensors"]
        entries = [(t["name"], rows_of or t["shape"][-1]) for t in tensors if t["name"].startswith("blk.")
                   and len(t["shape"]) == 2]
        data = struct.pack("<i", len(entries))
        for name, n in entries:
            data += struct.pack("<i", len(name)) + name.encode() + struct.pack("<ii", 1, n)
            data += struct.pack(f"<{n}f", *(1 + i % 7 * 10 for i in range(n)))
        return self.file("imatrix.dat", data)

    def test_cli_isq__an_imatrix_of_another_model_or_none_is_a_usage_error(self):
        self.need(TINY)
        command = ("generate", "-m", TINY, "--ids", "1", "-n", 1, "--isq", "q4_0", "--imatrix")
        self.assert_fails(collet(*command, self.imatrix(TINY, rows_of=48)), USAGE, "imatrix.dat", "48")
        self.assert_fails(collet(*command, self.folder / "none.dat"), USAGE, "none.dat: cannot open")
        unread = self.assert_ok(collet("explain", "-m", TINY, "--imatrix", "none.dat"))
        self.assertIn("warning: imatrix none.dat is not read", unread.err)

    def test_cli_isq__on_a_device_of_its_own_memory_gives_the_same(self):
        self.need(TINY)
        for recipe in ("q8_0", "q4_0"):
            made = self.folder / f"{recipe}.gguf"
            self.assert_ok(collet("quantize", "--type", recipe, TINY, made))
            self.assertEqual(self.logits("-m", TINY, "--isq", recipe, "--device", "sim"),
                             self.logits("-m", made, "--device", "sim"))

    def test_cli_isq__rules_and_a_topology_together_the_topology_wins(self):
        self.need(TINY)
        profile = self.file("p.yaml", "collet: 1\nisq:\n  - { layers: 0, use: q5_0 }\n"
                                      "  - { tensor: \"*ffn_down*\", use: q8_0 }\n  - { use: q4_0 }\n")
        topology = self.file("t.yml", "'/self_attn\\.v_proj/':\n  isq: Q5_1\n")
        formats = tensor_formats("-m", TINY, "--profile", profile, "--topology", topology)
        self.assertEqual([formats[f"blk.{n}.weight"] for n in ("0.attn_v", "0.attn_q", "0.ffn_down", "1.ffn_down",
                                                               "1.attn_q", "1.attn_v")],
                         ["q5_1", "q5_0", "q5_0", "q8_0", "q4_0", "q5_1"])
        self.assertEqual(formats["blk.0.attn_norm.weight"], "f32")

    def test_cli_isq__progress_is_for_terminals(self):
        path = self.folder / "f16.gguf"
        write_llama(path, form="f16", layers=2, dim=512, ffn=1024, heads=8, kv_heads=8)
        command = [str(COLLET), "generate", "-m", str(path), "--ids", "1", "-n", "1", "--isq", "q4_0", "--quiet"]
        silent = collet(*command[1:])
        self.assertEqual((silent.code, silent.err), (OK, ""))
        loud = collet(*command[1:-1])  # a pipe
        self.assertEqual((loud.code, loud.err), (OK, ""))
        verbose = collet(*command[1:-1], "--verbose")
        self.assertRegex(verbose.err, r"collet: isq: 15 tensors to q6_k, q4_0 in [0-9.]+ s, ")
        self.assertNotIn("\r", verbose.err)
        main, terminal = pty.openpty()
        done = subprocess.run(command[:-1], stdout=subprocess.DEVNULL, stderr=terminal, env=environment(), check=False)
        os.close(terminal)
        shown = read_terminal(main)
        self.assertEqual(done.returncode, OK)
        self.assertRegex(shown, r"\r\x1b\[Kcollet: isq: \d+ tensors to .* in [0-9.]+ s")


class BadInput(ProgramTest):
    def test_cli_isq__weights_that_are_not_finite_are_refused_by_name(self):
        self.need(TINY)
        made = self.folder / "bad.gguf"
        self.assert_ok(collet("quantize", "--type", "f16", TINY, made))
        data = bytearray(made.read_bytes())
        tensors = json.loads(self.assert_ok(collet("inspect", "--json", made)).out)["tensors"]
        at = next(t for t in tensors if t["name"] == "blk.1.ffn_up.weight")["offset"]
        data[at + 2 * 70:at + 2 * 71] = struct.pack("<H", 0x7e00)
        made.write_bytes(data)
        command = ("generate", "-m", made, "--ids", "1", "-n", 1, "--isq", "q8_0")
        self.assert_fails(collet(*command), MODEL, "blk.1.ffn_up.weight: element 70 is NaN", "--allow-nonfinite")
        self.assertNotIn("element 70", collet(*command, "--allow-nonfinite").err)

    def test_cli_isq__rules_and_selectors_that_match_nothing_are_typos(self):
        self.need(TINY)
        profile = self.file("p.yaml", "collet: 1\nisq:\n  - { tensor: \"*ffn_dwn*\", use: q8_0 }\n")
        self.assert_fails(collet("explain", "-m", TINY, "--profile", profile), USAGE, f"{profile}:3:5: no tensor")
        topology = self.file("t.yml", "0-1:\n  isq: Q8_0\n40-50:\n  isq: Q4_0\n")
        self.assert_fails(collet("explain", "-m", TINY, "--topology", topology), USAGE,
                          f"{topology}:3: no tensor", "'40-50'")


class Topology(ProgramTest):
    def formats(self, text):
        return tensor_formats("-m", self.need(TINY), "--topology", self.file("t.yml", text))

    def test_cli_isq__topology_ranges_that_end_last_win(self):
        formats = self.formats("1:\n  isq: Q8_0\n0-2:\n  isq: Q4_0\n")
        self.assertEqual(formats["blk.0.attn_q.weight"], "q4_0")
        self.assertEqual(formats["blk.1.attn_q.weight"], "q4_0")  # of equal ends the later one
        self.assertEqual(self.formats("0-1:\n  isq: Q8_0\n0-2:\n  isq: Q4_0\n")["blk.0.attn_q.weight"], "q4_0")
        self.assertEqual(self.formats("0-2:\n  isq: Q4_0\n1:\n  isq: Q8_0\n")["blk.1.attn_q.weight"], "q8_0")

    def test_cli_isq__topology_expressions_beat_ranges_and_the_last_wins(self):
        formats = self.formats("'/self_attn\\.q_proj/':\n  isq: Q5_0\n'/layers\\.1\\.self_attn/':\n  isq: Q8_0\n"
                               "0-2:\n  isq: Q4_0\n'/blk\\.0\\.ffn_down/':\n  isq: Q5_1\n")
        self.assertEqual(formats["blk.0.attn_q.weight"], "q5_0")
        self.assertEqual(formats["blk.1.attn_q.weight"], "q8_0")
        self.assertEqual(formats["blk.0.attn_k.weight"], "q4_0")
        self.assertEqual(formats["blk.0.ffn_down.weight"], "q5_1")
        self.assertEqual(formats["token_embd.weight"], "bf16")

    def test_cli_isq__topology_mistakes_are_named_with_their_line(self):
        for text, *wanted in (("5-2:\n  isq: Q4_0\n", "t.yml:1: the range '5-2' is empty"),
                              ("0-1:\n  isq: Q4_9\n", "t.yml:1: unknown weight format 'Q4_9'; did you mean"),
                              ("0-1:\n  device: cuda[0]\n", "t.yml:1: this version places no layers on cuda[0]",
                               "--device"),
                              ("0-1:\n  isk: Q4_0\n", "t.yml:2: unknown key 'isk'"),
                              ("'/a(/':\n  isq: Q4_0\n", "t.yml:1: the expression /a(/ is wrong at byte 2")):
            with self.subTest(text):
                self.assert_fails(collet("explain", "-m", self.need(TINY), "--topology", self.file("t.yml", text)),
                                  USAGE, *wanted)


if __name__ == "__main__":
    unittest.main()
