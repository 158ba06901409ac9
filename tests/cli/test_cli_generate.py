#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# tests/cli/test_cli_generate.py - generate: streams, its JSON object, stop texts, seeds, Ctrl-C.
import json
import signal
import subprocess
import unittest

from program import (COLLET, INTERRUPTED, QUICK, SMOLLM2, TINY, USAGE, ProgramTest, collet, environment)

PROMPT = "The capital of France is"
N = "4" if QUICK else "16"


class Generate(ProgramTest):
    def generate(self, model, *args):
        return self.assert_ok(collet("generate", "-m", model, *args))

    def test_cli_generate__text_and_its_ids_give_the_same(self):
        model = self.need(TINY)
        ids = json.loads(self.assert_ok(collet("tokenize", "-m", model, PROMPT)).out)["ids"]
        by_text = self.generate(model, "-p", PROMPT, "--max-tokens", "12")
        by_ids = self.generate(model, "--ids", ",".join(map(str, ids)), "--max-tokens", "12")
        path = self.file("prompt", PROMPT)
        self.assertEqual(by_text.raw, by_ids.raw)
        self.assertEqual(by_text.raw, self.generate(model, "-f", path, "--max-tokens", "12").raw)

    def test_cli_generate__json_has_what_the_design_lists(self):
        result = self.generate(self.need(TINY), "-p", PROMPT, "--max-tokens", "6", "--ignore-eos", "--json",
                               "--top-logits", "3")
        self.assertEqual(result.err, "")
        answer = json.loads(result.out)
        self.assertEqual(len(answer["ids"]), 6)
        self.assertEqual(answer["finish_reason"], "length")
        self.assertIsInstance(answer["text"], str)
        self.assertRegex(answer["plan"], r"^[0-9a-f]{16}$")
        self.assertTrue(all(isinstance(n, int) for n in answer["memory"].values()))
        timing = answer["timing"]
        self.assertEqual((timing["prefill_tokens"], timing["decode_tokens"]), (len(answer["prompt_ids"]), 5))
        for key in ("load_s", "prefill_s", "decode_s", "first_token_s"):
            self.assertGreater(timing[key], 0, key)
        self.assertEqual(len(answer["top_logits"]), 6)
        for chosen, row in zip(answer["ids"], answer["top_logits"]):
            self.assertEqual(row[0][0], chosen)  # greedy takes the first
            self.assertEqual([v for _, v in row], sorted((v for _, v in row), reverse=True))

    def test_cli_generate__json_text_shows_bytes_that_are_no_utf8(self):
        """What follows them is not lost; stdout has the bytes themselves."""
        args = ("-p", "The lighthouse", "--max-tokens", "32", "--ignore-eos")
        plain = self.generate(self.need(TINY), *args).raw[:-1]
        text = json.loads(self.generate(TINY, *args, "--json").out)["text"]
        self.assertRaises(UnicodeDecodeError, plain.decode)  # random weights write random bytes
        self.assertIn("\ufffd", text)
        self.assertEqual(text.replace("\ufffd", ""), plain.decode(errors="ignore"))

    def test_cli_generate__stop_text_is_not_printed(self):
        model = self.need(SMOLLM2)
        whole = json.loads(self.generate(model, "-p", PROMPT, "--max-tokens", N, "--json").out)["text"]
        stop = whole[3:7]  # begins and ends inside tokens
        answer = json.loads(self.generate(model, "-p", PROMPT, "--max-tokens", N, "--json", "--stop", stop).out)
        self.assertEqual(answer["text"], whole[:whole.index(stop)])
        self.assertEqual(answer["finish_reason"], "stop")
        plain = self.generate(model, "-p", PROMPT, "--max-tokens", N, "--stop", "never", "--stop", stop)
        self.assertEqual(plain.out, answer["text"] + "\n")

    def test_cli_generate__a_seed_repeats_its_text(self):
        model = self.need(TINY)

        def draw(seed):
            return self.generate(model, "-p", PROMPT, "--max-tokens", "24", "--ignore-eos", "--temperature", "1",
                                 "--seed", seed).raw

        self.assertEqual(draw(7), draw(7))
        self.assertNotEqual(draw(7), draw(8))

    def test_cli_generate__threads_change_nothing_but_time(self):
        """Sums have a fixed order for a given number of threads; rows are split, not sums."""
        model = self.need(TINY)
        texts = {self.generate(model, "-p", PROMPT, "--max-tokens", "24", "--threads", n).raw for n in (1, 2, 3)}
        self.assertEqual(len(texts), 1)

    def test_cli_generate__no_tokens_is_an_empty_answer(self):
        answer = json.loads(self.generate(self.need(TINY), "-p", PROMPT, "--max-tokens", "0", "--json").out)
        self.assertEqual((answer["ids"], answer["text"], answer["finish_reason"]), ([], "", "length"))

    def test_cli_generate__the_context_ends_the_answer(self):
        answer = json.loads(self.generate(self.need(TINY), "--ids", "5,6,7", "--context", "8", "--max-tokens", "100",
                                          "--ignore-eos", "--json").out)
        self.assertEqual((len(answer["ids"]), answer["finish_reason"]), (6, "length"))  # the last one needs no place

    def test_cli_generate__a_prompt_longer_than_the_context_says_both(self):
        ids = ",".join(["5"] * 10)
        self.assert_fails(collet("generate", "-m", self.need(TINY), "--ids", ids, "--context", "8"), USAGE, "10 tokens",
                          "context 8", "--context")

    def test_cli_generate__a_prompt_is_given_once(self):
        model = self.need(TINY)
        self.assert_fails(collet("generate", "-m", model), USAGE, "-p TEXT")
        self.assert_fails(collet("generate", "-m", model, "-p", "x", "--ids", "1"), USAGE, "once")
        self.assert_fails(collet("generate", "-m", model, "-p", ""), USAGE, "no tokens")
        self.assert_fails(collet("generate", "-m", model, "-p", "x", "--top-logits", "2"), USAGE, "--json")

    def test_cli_generate__ctrl_c_keeps_what_was_printed(self):
        model = SMOLLM2 if SMOLLM2.exists() else self.need(TINY)
        command = [str(COLLET), "generate", "-m", str(model), "-p", PROMPT, "--max-tokens", "4000", "--ignore-eos"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()) as running:
            first = running.stdout.read(1)
            running.send_signal(signal.SIGINT)
            rest, err = running.communicate(timeout=120)
        self.assertEqual(running.returncode, INTERRUPTED, err.decode())
        self.assertNotEqual(first, b"")
        self.assertTrue(rest.endswith(b"\n"))
        self.assertEqual(err, b"")

    def test_cli_generate__text_arrives_as_it_is_made(self):
        """The first byte comes before the last is computed: stdout is a pipe here."""
        command = [str(COLLET), "generate", "-m", str(self.need(TINY)), "-p", PROMPT, "--max-tokens", "3000",
                   "--ignore-eos"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()) as running:
            self.assertNotEqual(running.stdout.read(1), b"")
            self.assertIsNone(running.poll())
            running.communicate(timeout=120)
        self.assertEqual(running.returncode, 0)

    def test_cli_generate__a_real_model_makes_sense(self):
        self.assertTrue(self.generate(self.need(SMOLLM2), "-p", PROMPT, "--max-tokens", "2").out.startswith(" Paris"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
