#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# tests/cli/test_cli_isq.py - quantizing while loading: which formats, the bits of a file made before, what is refused.
import json
import pathlib
import struct
import unittest

from program import GEMMA3, MODEL, SMOLLM2, TINY, USAGE, ProgramTest, collet

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
    return {row["tensor"]: row["format"] for row in rows if row["tensor"]}


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
        self.assert_fails(collet("explain", "-m", TINY, "--profile", profile), MODEL, f"{profile}:3:5: no tensor")
        topology = self.file("t.yml", "0-1:\n  isq: Q8_0\n40-50:\n  isq: Q4_0\n")
        self.assert_fails(collet("explain", "-m", TINY, "--topology", topology), MODEL,
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
                                  MODEL, *wanted)


if __name__ == "__main__":
    unittest.main()
