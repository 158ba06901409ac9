#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# tests/cli/test_cli.py - the frame: help, usage errors, exit codes, what stdout and stderr are for.
import json
import os
import resource
import struct
import subprocess
import unittest

from program import (COLLET, FAILED, MEMORY, MODEL, OK, SMOLLM2, TINY, USAGE, ProgramTest, collet, environment,
                     sanitizers, skip)


class Frame(ProgramTest):
    def commands(self):
        overview = self.assert_ok(collet("--help")).out
        return [line[2:18].strip() for line in overview.splitlines() if line.startswith("  ")]

    def test_cli__help_is_a_result(self):
        result = self.assert_ok(collet("--help"))
        self.assertTrue(result.out.startswith("usage: collet "))
        self.assertEqual(result.err, "")
        self.assertIn("generate", self.commands())

    def test_cli__every_command_has_a_page(self):
        for command in self.commands():
            with self.subTest(command):
                page = self.assert_ok(collet(*command.split(), "--help"))
                self.assertIn(f"collet {command}", page.out)
                self.assertEqual(self.assert_ok(collet("help", *command.split())).out, page.out)

    def test_cli__version_names_the_plugin_abi(self):
        self.assertRegex(self.assert_ok(collet("--version")).out, r"^collet \d+\.\d+\.\d+ \(plugin ABI \d+\.\d+\)\n$")

    def test_cli__no_command_shows_the_overview_on_stderr(self):
        result = collet()
        self.assertEqual((result.code, result.raw), (USAGE, b""))
        self.assertIn("usage:", result.err)

    def test_cli__unknown_command_names_the_nearest(self):
        self.assert_fails(collet("genrate"), USAGE, "'genrate'", "did you mean 'generate'")
        self.assert_fails(collet("profile"), USAGE, "profile check", "profile show")

    def test_cli__unknown_flag_names_the_nearest(self):
        self.assert_fails(collet("generate", "--max-token", "3"), USAGE, "--max-token", "did you mean --max-tokens")

    def test_cli__flags_have_two_forms_and_an_end(self):
        shown = [self.assert_ok(collet("profile", "show", *flags)).out
                 for flags in (["--threads", "3"], ["--threads=3"], ["--set", "engine.threads=3"])]
        self.assertIn("threads: 3", shown[0])
        self.assertEqual(shown, [shown[0]] * 3)
        self.assert_fails(collet("profile", "show", "--origin=yes"), USAGE, "--origin", "takes no value")
        self.assert_fails(collet("profile", "check", "--", "--json"), USAGE, "--json: cannot open")

    def test_cli__value_out_of_range_says_the_range(self):
        self.assert_fails(collet("generate", "--temperature", "-1"), USAGE, "--temperature", "'-1'", "0..100")
        self.assert_fails(collet("generate", "--seed", "many"), USAGE, "--seed", "'many'")

    def test_cli__flag_without_its_value_is_an_error(self):
        self.assert_fails(collet("generate", "-m"), USAGE, "model")

    def test_cli__operands_that_nobody_wants_are_an_error(self):
        self.assert_fails(collet("doctor", "extra"), USAGE, "extra")

    def test_cli__no_model_says_how_to_name_one(self):
        self.assert_fails(collet("generate", "-p", "x"), USAGE, "-m FILE")


class ModelFiles(ProgramTest):
    def test_cli__missing_model_is_named(self):
        self.assert_fails(collet("generate", "-m", "/nowhere/x.gguf", "-p", "x"), MODEL, "/nowhere/x.gguf",
                          "No such file")

    def test_cli__a_folder_is_no_model(self):
        self.assert_fails(collet("generate", "-m", self.folder, "-p", "x"), MODEL, str(self.folder))

    def test_cli__truncated_model_says_where(self):
        content = self.need(TINY).read_bytes()
        for n_bytes in (0, 3, 20, 1000, len(content) // 2, len(content) - 1):
            with self.subTest(n_bytes=n_bytes):
                short = self.file("short.gguf", content[:n_bytes])
                for command in (["generate", "-p", "x"], ["explain"],
                                ["logits", "--ids", "1", "-o", self.folder / "o"]):
                    self.assert_fails(collet(*command, "-m", short), MODEL, str(short))
        self.assertFalse((self.folder / "o").exists())

    def test_cli__unknown_architecture_names_those_that_run(self):
        content = self.need(TINY).read_bytes()
        key = b"general.architecture" + struct.pack("<IQ", 8, 5)
        self.assertIn(key + b"llama", content)
        other = self.file("other.gguf", content.replace(key + b"llama", key + b"lxama"))
        self.assert_fails(collet("generate", "-m", other, "-p", "x"), MODEL, "other.gguf", "'lxama'", "llama")

    def test_cli__unknown_weight_format_is_a_model_error(self):
        """The type of one tensor is changed to an id that no format has."""
        content = bytearray(self.need(TINY).read_bytes())
        at = content.index(b"blk.0.attn_q.weight") + len(b"blk.0.attn_q.weight") + 4 + 2 * 8
        struct.pack_into("<I", content, at, 250)
        self.assert_fails(collet("generate", "-m", self.file("odd.gguf", bytes(content)), "-p", "x"), MODEL, "odd.gguf",
                          "blk.0.attn_q.weight", "250")

    def test_cli__inspect_lists_keys_and_tensors(self):
        found = json.loads(self.assert_ok(collet("inspect", "--json", self.need(TINY))).out)
        self.assertEqual(found["keys"]["general.architecture"]["value"].strip('"'), "llama")
        self.assertGreater(len(found["tensors"]), 10)


class Tokens(ProgramTest):
    def test_cli__tokenize_and_detokenize_are_inverse(self):
        model = self.need(TINY)
        for text in ("The lighthouse", "naïve café, 東京\n", " two  spaces ", "\t"):
            with self.subTest(text=text):
                ids = json.loads(self.assert_ok(collet("tokenize", "-m", model, "--no-bos", text)).out)["ids"]
                back = collet("detokenize", "-m", model, "--ids", ",".join(map(str, ids)))
                self.assertEqual(json.loads(self.assert_ok(back).out)["text"], text)

    def test_cli__tokenize_reads_files_and_stdin_alike(self):
        model, text = self.need(TINY), "from a file\n"
        path = self.file("text", text)
        of_file = self.assert_ok(collet("tokenize", "-m", model, "-f", path)).out
        self.assertEqual(self.assert_ok(collet("tokenize", "-m", model, "-f", "-", stdin=text.encode())).out, of_file)
        self.assertEqual(self.assert_ok(collet("tokenize", "-m", model, text)).out, of_file)

    def test_cli__an_id_outside_the_vocabulary_is_an_error(self):
        model = self.need(TINY)
        for command in ("generate", "detokenize"):
            result = collet(command, "-m", model, "--ids", "1,99999")
            self.assertIn(result.code, (FAILED, USAGE))
            self.assertIn("99999", result.err)
            self.assertEqual(result.raw, b"")
        self.assert_fails(collet("generate", "-m", model, "--ids", "1,x"), USAGE, "'x'")


class Numbers(ProgramTest):
    def test_cli__logits_have_a_row_per_token(self):
        out = self.folder / "out.f32"
        self.assert_ok(collet("logits", "-m", self.need(TINY), "--ids", "1,2,3", "-o", out))
        self.assertEqual(out.stat().st_size, 3 * 512 * 4)

    def test_cli__logits_that_cannot_be_written_leave_nothing(self):
        out = self.folder / "missing" / "out.f32"
        self.assert_fails(collet("logits", "-m", self.need(TINY), "--ids", "1", "-o", out), FAILED, str(out))
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_cli__codec_decodes_what_it_encoded(self):
        rows = [float(i % 13) - 6.0 for i in range(512)]
        plain = self.file("in.f32", struct.pack("<512f", *rows))
        blocks, back = self.folder / "q8_0", self.folder / "back.f32"
        shape = ("--format", "q8_0", "--cols", "256")
        self.assert_ok(collet("codec", "encode", *shape, plain, blocks))
        self.assertEqual(blocks.stat().st_size, 512 // 32 * 34)
        self.assert_ok(collet("codec", "decode", *shape, blocks, back))
        values = struct.unpack("<512f", back.read_bytes())
        self.assertLess(max(abs(a - b) for a, b in zip(rows, values)), 0.03)  # half a step of 6/127
        self.assert_fails(collet("codec", "decode", "--format", "q8_9", "--cols", "256", blocks, back), USAGE, "'q8_9'",
                          "did you mean")

    def test_cli__bench_reports_speed_beside_bandwidth(self):
        result = collet("bench", "-m", self.need(TINY), "--prompt", "16", "--gen", "4", "-r", "1", "--json")
        report = json.loads(self.assert_ok(result).out)
        self.assertEqual((report["prefill"]["tokens"], report["decode"]["tokens"]), (16, 4))
        self.assertGreater(report["read"]["bytes_per_s"], 0)
        self.assertGreater(report["decode"]["fraction_of_read"], 0)

    def test_cli__bench_counts_each_op(self):
        result = collet("bench", "-m", self.need(TINY), "--prompt", "16", "--gen", "4", "-r", "2", "--ops", "--batch",
                        "3", "--json")
        bench = json.loads(self.assert_ok(result).out)
        rows = bench["ops"]
        for phase in "prefill", "decode":
            self.assertAlmostEqual(sum(r["fraction_of_phase"] for r in rows if r["phase"] == phase), 1.0, places=6)
        decode = [r for r in rows if r["phase"] == "decode" and r["op"].startswith("matmul")]
        self.assertTrue(decode)
        weights = sum(r["bytes"] for r in decode) / max(r["runs"] for r in rows if r["op"] == "embed" and
                                                        r["phase"] == "decode")
        self.assertGreaterEqual(weights, bench["decode"]["bytes_per_step"])  # activations come on top
        for row in decode:
            self.assertGreater(row["ops"], 0)
            self.assertGreater(row["seconds"], 0)
        for phase in "prefill", "decode":
            pool = bench["pool"][phase]
            self.assertGreater(pool["regions"], 0)
            self.assertLess(pool["waiting_s"], pool["seconds"])


class Trouble(ProgramTest):
    def test_cli__a_full_disk_is_reported(self):
        with open("/dev/full", "wb") as full:
            result = collet("generate", "-m", self.need(TINY), "-p", "x", "--max-tokens", "4", stdout=full)
        self.assertEqual(result.code, FAILED)
        self.assertIn("stdout", result.err)

    def test_cli__a_reader_that_leaves_ends_the_program_quietly(self):
        program = [str(COLLET), "generate", "-m", str(self.need(TINY)), "-p", "x", "--max-tokens", "3000",
                   "--ignore-eos"]
        with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()) as running:
            running.stdout.read(10)
            running.stdout.close()
            err = running.stderr.read().decode()
            code = running.wait(timeout=60)
        self.assertIn(code, (-13, FAILED), err)  # SIGPIPE, or seen by write()
        self.assertLessEqual(len(err.splitlines()), 1, err)

    def test_cli__memory_that_runs_out_has_its_own_code(self):
        """Address space for the program but not for the model: nothing on stdout, one line, exit 5."""
        if sanitizers():
            skip("address space cannot be limited under a sanitizer")
        seen = set()
        model = self.need(SMOLLM2)
        for mib in (24, 48, 96, 160, 256):
            limit = mib << 20
            with self.subTest(mib=mib):
                result = collet("generate", "-m", model, "-p", "x", "--max-tokens", "2",
                                before=lambda limit=limit: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))
                seen.add(result.code)
                if result.code == 127:  # not even the C library fits
                    continue
                self.assertIn(result.code, (OK, MEMORY), result.err)
                if result.code == MEMORY:
                    self.assert_fails(result, MEMORY)
        self.assertIn(MEMORY, seen)

    def test_cli__a_closed_stderr_does_no_harm(self):
        result = collet("generate", "-m", "/nowhere.gguf", "-p", "x", before=lambda: os.close(2))
        self.assertEqual((result.code, result.raw), (MODEL, b""))


if __name__ == "__main__":
    unittest.main(verbosity=2)
