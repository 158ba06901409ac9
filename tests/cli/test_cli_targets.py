#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# tests/cli/test_cli_targets.py - scripts/targets.py on models so small that its figures mean nothing: what it writes.
import json
import subprocess
import sys
import unittest

import program
from program import BUILD, COLLET, SOURCE, ProgramTest, environment

sys.path.insert(0, str(SOURCE / "scripts"))
import synthetic_gguf  # noqa: E402
import targets_table   # noqa: E402


class Targets(ProgramTest):
    def measure(self, *more):
        done = subprocess.run([sys.executable, str(SOURCE / "scripts/targets.py"), "--isa", "avx2", "--pairs", "1",
                               "--tries", "1", "--settle", "0", "--threads", "1", "--build", str(BUILD),
                               "--models", str(self.folder),
                               "--out", str(self.folder / "out"), "--machine", "here", *more], env=environment(),
                              capture_output=True, text=True, check=False)
        if "avx2 is not offered here" in done.stderr:
            program.skip("this machine has no AVX2")
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads((self.folder / "out/here-avx2.json").read_text())["rows"], done.stdout

    def test_targets__measures_resumes_and_names_what_is_missing(self):
        for name in "8b-q4_k", "1b-q4_k":
            synthetic_gguf.make(self.folder / f"{name}.gguf", "tiny", "q4_k", COLLET)
        rows, _ = self.measure("--only", "C8,C11")
        self.assertGreater(rows["C8"]["ratio"], 0)
        self.assertEqual(rows["C8"]["peer_name"], "a step of 1 row")
        self.assertIn("missing", rows["C11"])  # no peer was given, or no model
        again, said = self.measure("--only", "C8,C10", "--missing")
        self.assertEqual(again["C8"], rows["C8"])
        self.assertNotIn("C8", said)
        self.assertGreater(again["C10"]["ratio"], 1)  # the program alone is larger than this model

    def test_targets__table_has_every_row_and_judges_by_two_digits(self):
        machine = {"name": "a cpu", "threads": 2}
        row = {"date": "2026-01-01", "commit": "", "ours": 1.0, "peer": 1.0, "peer_name": "peer", "command": "x"}
        for key, ratio, met in (("C1 q4_0", 0.8449, "**no**"), ("C1 q4_k", 0.8451, "floor"), ("C1 q8_0", 0.95, "goal"),
                                ("C10", 1.06, "floor"), ("C11", 0.81, "**no**"), ("C8", 1.35, "goal")):
            record = {"machine": machine, "isa": "avx2", "rows": {key: {**row, "ratio": ratio}}}
            lines = targets_table.table([record]).split("\n")[2:]
            self.assertEqual(len(lines), len(targets_table.cases("avx2")))
            measured = [line for line in lines if "not measured" not in line]
            self.assertEqual(len(measured), 1)
            self.assertEqual([cell.strip() for cell in measured[0].split("|")][8], met, key)

    def test_targets__page_without_markers_is_left_alone(self):
        page = self.folder / "page.md"
        page.write_text("no markers\n")
        with self.assertRaises(SystemExit):
            targets_table.render(self.folder, page)
        self.assertEqual(page.read_text(), "no markers\n")
        page.write_text(f"before\n{targets_table.BEGIN}\nold\n{targets_table.END}\nafter\n")
        targets_table.render(self.folder, page)
        self.assertEqual(page.read_text(), f"before\n{targets_table.BEGIN}\nNothing was measured yet.\n"
                                           f"{targets_table.END}\nafter\n")


if __name__ == "__main__":
    unittest.main(verbosity=2)
