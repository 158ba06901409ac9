#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# tests/cli/test_cli_plugins.py - profiles, plugins and the plan: what is chosen, by whom, and what bad ones cannot do.
import json
import os
import pathlib
import subprocess
import unittest

from program import (GEMMA3, QUICK, SMOLLM2, SOURCE, TINY, USAGE, ProgramTest, collet, skip)

N = "3" if QUICK else "24"
REF_MATMUL = ("--set", "slots.matmul=cpu.matmul.ref")

CRASH = """
#include "collet/plugin/plugin.h"
static const collet_plugin plugin = { COLLET_PLUGIN_HEAD, .id = "crash", .version = "1" };
COLLET_PLUGIN(plugin)
__attribute__((constructor)) static void crash(void) { *(volatile int *)0 = 1; }
"""  # without the entry symbol it would not be taken for a plugin, and never be opened


class Vendor(ProgramTest):
    def test_cli_plugins__onednn_writes_what_our_kernels_write(self):
        if "onednn.matmul" not in self.assert_ok(collet("plugins", "list")).out:
            skip("onednn.matmul: not built, or not usable here")
        model = self.need(SMOLLM2)
        for name in ("f16", "bf16", "q8_0"):
            ids = []
            for module in ("onednn.matmul", "cpu.matmul.ref"):
                run = ("generate", "-m", model, "--isq", name, "-p", "The capital of France is", "-n", "4", "--json",
                       "--temperature", "0", "--set", f"slots.matmul={{ use: {module}, fallback: warn }}")
                ids.append(json.loads(self.assert_ok(collet(*run)).out)["ids"])
            self.assertEqual(ids[0], ids[1], name)

    def test_cli_plugins__two_openmp_runtimes_are_a_warning(self):
        source = self.file("empty.c", "int collet_test_openmp_runtime;\n")
        made = []
        for name in ("libgomp.so.1", "libiomp5.so"):
            made.append(str(pathlib.Path(source).parent / name))
            subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-o", made[-1], source], check=True)
        for preload, level in ((made, "warning"), (made[:1], "note"), ([], "ok")):
            env = {"LD_PRELOAD": ":".join(preload), "ASAN_OPTIONS": "verify_asan_link_order=0"}
            findings = json.loads(self.assert_ok(collet("doctor", "--json", env=env)).out)["findings"]
            self.assertIn((level, "openmp"), [(f["level"], f["what"]) for f in findings])


class Profiles(ProgramTest):
    def test_cli_plugins__profile_errors_come_together_with_places(self):
        bad = self.file("bad.yaml", "collet: 1\nslots:\n  attention:\n    - { use: any, layer: 3 }\n"
                                    "engine: { thread: 2, context: many }\n")
        for command in (["profile", "check", bad], ["generate", "-m", "x", "-p", "x", "--profile", bad]):
            self.assert_fails(collet(*command), USAGE, f"{bad}:4:19: ", "did you mean 'layers'", f"{bad}:5:11: ",
                              "did you mean 'engine.threads'", f"{bad}:5:31: ")

    def test_cli_plugins__unknown_module_names_the_nearest(self):
        bad = self.file("bad.yaml", "collet: 1\nslots:\n  matmul: { use: cpu.matmul.reff }\n")
        self.assert_fails(collet("profile", "check", bad), USAGE, f"{bad}:3:18: ", "did you mean 'cpu.matmul.ref'")
        self.assert_fails(collet("generate", "-m", "x", "-p", "x", "--set", "slots.matmul=cpu.matmul.reff"), USAGE,
                          "'cpu.matmul.reff'", "did you mean 'cpu.matmul.ref'")

    def test_cli_plugins__unknown_module_option_names_the_nearest(self):
        bad = self.file("bad.yaml", "collet: 1\nslots:\n  kvcache: { use: kv.contiguous, options: { dtyp: f32 } }\n")
        self.assert_fails(collet("profile", "check", bad), USAGE, f"{bad}:3:45: ", "dtyp", "did you mean 'dtype'")

    def test_cli_plugins__flag_beats_environment_beats_profile(self):
        profile = self.file("p.yaml", "collet: 1\nengine: { threads: 3, context: 300, step_tokens: 30 }\n")
        shown = self.assert_ok(collet("profile", "show", "--origin", "--profile", profile, "--threads", "5",
                                      env={"COLLET_THREADS": "4", "COLLET_CONTEXT": "400"})).out
        self.assertRegex(shown, r"threads: 5 +# flag")
        self.assertRegex(shown, r"context: 400 +# env COLLET_CONTEXT")
        self.assertRegex(shown, rf"step_tokens: 30 +# {profile}:2")
        self.assertRegex(shown, r"max_requests: \d+ +# default")

    def test_cli_plugins__seed_variables_that_are_not_honoured_warn(self):
        result = self.assert_ok(collet("profile", "check", env={"MISTRALRS_SPECULATIVE_GAMMA": "4"}))
        self.assertIn("collet: warning: MISTRALRS_SPECULATIVE_GAMMA=4 is not honoured", result.err)

    def test_cli_plugins__formats_of_isq_are_known_where_they_stand(self):
        profile = self.file("p.yaml", "collet: 1\nisq:\n  - { layers: 0-3, use: q4_kk }\n")
        result = collet("profile", "check", profile)
        self.assertEqual(result.code, 2)
        self.assertIn(f"{profile}:3:5: isq: unknown weight format 'q4_kk'; did you mean 'q4_k'?", result.err)
        result = collet("profile", "check", env={"MISTRALRS_ISQ": "Q4L"})
        self.assertEqual(result.code, 2)
        self.assertIn("MISTRALRS_ISQ: isq: unknown weight format 'Q4L'; did you mean", result.err)
        shown = self.assert_ok(collet("profile", "show", "--origin", "--isq", "q8_0", env={"MISTRALRS_ISQ": "Q4K"})).out
        self.assertRegex(shown, r"isq:\n  - \{ use: q8_0 \} +# flag\n")
        self.assertRegex(self.assert_ok(collet("profile", "show", "--origin", env={"MISTRALRS_ISQ": "Q4K"})).out,
                         r"isq:\n  - \{ use: Q4K \} +# env MISTRALRS_ISQ\n")

    def test_cli_plugins__shipped_profiles_are_clean(self):
        for profile in sorted((SOURCE / "profiles").glob("*.yaml")):
            with self.subTest(profile.name):
                self.assert_ok(collet("profile", "check", profile))
        self.assertIn((SOURCE / "profiles/example.yaml").read_text(), (SOURCE / "README.md").read_text())


class Plan(ProgramTest):
    def explain(self, model, *args):
        return json.loads(self.assert_ok(collet("explain", "-m", model, "--json", *args)).out)

    def test_cli_plugins__explain_gives_every_loser_a_reason(self):
        plan = self.explain(self.need(TINY))
        self.assertEqual({row["phase"] for row in plan["rows"]}, {"prefill", "decode"})
        for row in plan["rows"]:
            for candidate in row["rejected"]:
                self.assertTrue(candidate["why"], candidate)
                self.assertNotEqual(candidate["module"], row["module"])

    def test_cli_plugins__explain_shows_what_generate_runs(self):
        """The plan's hash is the same in both."""
        model = self.need(TINY)
        flags = ("--set", "engine.max_requests=1", *REF_MATMUL)
        answer = json.loads(self.assert_ok(collet("generate", "-m", model, "-p", "x", "--max-tokens", "1", "--json",
                                                  *flags)).out)
        self.assertEqual(answer["plan"], self.explain(model, *flags)["plan"])

    def test_cli_plugins__no_reference_module_where_a_tuned_one_exists(self):
        cpu = pathlib.Path("/proc/cpuinfo").read_text().split()
        if not {"avx2", "fma", "f16c"} <= set(cpu):
            skip("this machine has no AVX2, the least that tuned kernels need")
        for model in (SMOLLM2, GEMMA3):
            with self.subTest(model.name):
                rows = self.explain(self.need(model))["rows"]
                left = {(r["op"], r["format"], r["module"]) for r in rows if r["module"].endswith(".ref")}
                self.assertEqual(left, set())

    def test_cli_plugins__a_forced_module_is_the_one_that_runs(self):
        rows = self.explain(self.need(TINY), *REF_MATMUL)["rows"]
        used = {row["module"] for row in rows if row["slot"] == "matmul"}
        self.assertEqual(used, {"cpu.matmul.ref"})
        self.assertTrue(all("--set" in row["rule"] for row in rows if row["slot"] == "matmul"))


class Plugins(ProgramTest):
    def test_cli_plugins__list_shows_those_of_the_build(self):
        found = self.assert_ok(collet("plugins", "list")).out
        for name in ("reference", "cpu", "sim"):
            self.assertIn(name, found)

    def test_cli_plugins__one_that_crashes_while_scanned_does_no_harm(self):
        self.plugin("crash", self.file("crash.c", CRASH))
        env = {"COLLET_PLUGIN_PATH": str(self.folder)}
        model = self.need(TINY)
        args = ("generate", "-m", model, "-p", "x", "--max-tokens", "4")
        alone, beside = self.assert_ok(collet(*args)), self.assert_ok(collet(*args, env=env))
        self.assertEqual(beside.raw, alone.raw)
        listed = collet("plugins", "list", env=env)
        self.assertIn("libcollet_crash.so", listed.out + listed.err)

    def test_cli_plugins__one_of_another_layout_is_refused_with_a_reason(self):
        """A header of another ABI is told by its hash before any of its code runs."""
        source = (SOURCE / "examples/plugin_hello/hello.c").read_text()
        head = "COLLET_PLUGIN_HEAD,"
        self.assertIn(head, source)
        source = source.replace(head, head + " .layout_hash = 1,")
        source = '#pragma GCC diagnostic ignored "-Woverride-init"\n' + source
        self.plugin("hello", self.file("hello.c", source))
        listed = collet("plugins", "list", env={"COLLET_PLUGIN_PATH": str(self.folder)})
        self.assertIn("layout", listed.out + listed.err)

    def test_cli_plugins__out_of_tree_matmul_replaces_a_layer_range(self):
        """examples/plugin_hello, built as its first lines say, in a folder that the host has never seen."""
        model = self.need(SMOLLM2)
        hello = SOURCE / "examples/plugin_hello"
        self.plugin("hello", hello / "hello.c")
        profile = self.file("hello.yaml", (hello / "hello.yaml").read_text())
        plan = json.loads(self.assert_ok(collet("explain", "-m", model, "--profile", profile, "--json")).out)
        for row in plan["rows"]:
            if row["slot"] != "matmul":
                continue
            inside = row["layer"] is not None and row["layer"] <= 3
            self.assertEqual(row["module"] == "hello.matmul", inside, row)
            self.assertTrue(row["rule"].startswith(str(profile)), row["rule"])
        text = self.assert_ok(collet("generate", "-m", model, "--profile", profile, "-p", "The capital of France is",
                                     "--max-tokens", "2")).out
        self.assertTrue(text.startswith(" Paris"), text)
        self.compare_with_the_reference(model, profile)

    def compare_with_the_reference(self, model, profile):
        """With the reference for the other layers the sums are the same, so the tokens are."""
        exact = self.file("exact.yaml", profile.read_text().replace("use: any", "use: cpu.matmul.ref"))
        args = ("generate", "-m", model, "-p", "The capital of France is", "--max-tokens", N, "--json")
        ours = json.loads(self.assert_ok(collet(*args, "--profile", exact)).out)
        reference = json.loads(self.assert_ok(collet(*args, *REF_MATMUL)).out)
        self.assertEqual(ours["ids"], reference["ids"])
        self.assertNotEqual(ours["plan"], reference["plan"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
