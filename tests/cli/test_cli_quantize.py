#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# tests/cli/test_cli_quantize.py - `collet quantize`: whole files or none, and what is said about bad input.
import json
import os
import pathlib
import resource
import signal
import struct
import subprocess
import time
import unittest

from program import (COLLET, FAILED, GEMMA3, INTERRUPTED, MODEL, TINY, USAGE, ProgramTest, collet, environment,
                     skip)


def string(text):
    return struct.pack("<Q", len(text)) + text.encode()


def imatrix_dat(entries):
    """The old form: sums of n_calls calls, whose mean is what counts."""
    out = struct.pack("<i", len(entries))
    for name, values in entries.items():
        out += struct.pack("<i", len(name)) + name.encode() + struct.pack("<ii", 3, len(values))
        out += struct.pack(f"<{len(values)}f", *(3 * v for v in values))
    return out + struct.pack("<i", 7) + struct.pack("<i", 4) + b"text"


def imatrix_gguf(entries):
    """The new form: per weight the sums of squares and the number of tokens."""
    tensors = [t for name, values in entries.items()
               for t in ((name + ".in_sum2", [5 * v for v in values]), (name + ".counts", [5.0]))]
    head, data = struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), 2), b""
    head += string("general.type") + struct.pack("<I", 8) + string("imatrix")
    head += string("imatrix.chunk_count") + struct.pack("<II", 4, 7)
    for name, values in tensors:
        head += string(name) + struct.pack("<IQQIQ", 2, len(values), 1, 0, len(data))
        data += struct.pack(f"<{len(values)}f", *values)
        data += bytes(-len(data) % 32)
    return head + bytes(-len(head) % 32) + data


class Quantize(ProgramTest):
    def f16(self):
        made = self.folder / "f16.gguf"
        self.assert_ok(collet("quantize", "--type", "f16", self.need(TINY), made))
        return made

    def inspect(self, path):
        return json.loads(self.assert_ok(collet("inspect", "--json", path)).out)

    def only(self, *names):
        """Nothing but these is in the test's folder: no temporary file, no half of a result."""
        self.assertEqual(sorted(p.name for p in self.folder.iterdir()), sorted(names))


class Results(Quantize):
    def test_cli_quantize__dry_run_foretells_the_sizes(self):
        out = self.folder / "out.gguf"
        for kind in ("q4_k_m", "q8_0", "iq4_nl", "bf16"):
            with self.subTest(kind):
                told = json.loads(self.assert_ok(collet("quantize", "--dry-run", "--json", "--type", kind,
                                                        self.need(TINY))).out)
                self.only(*(["out.gguf"] if out.exists() else []))
                made = json.loads(self.assert_ok(collet("quantize", "--json", "--type", kind, TINY, out)).out)
                self.assertEqual(told["to_bytes"], made["to_bytes"])
                self.assertEqual(made["file_bytes"], out.stat().st_size)
                tensors = {t["name"]: t for t in self.inspect(out)["tensors"]}
                for t in told["tensors"]:
                    self.assertEqual((tensors[t["name"]]["format"], tensors[t["name"]]["bytes"]),
                                     (t["to"], t["to_bytes"]), t["name"])

    def test_cli_quantize__keys_and_the_order_of_tensors_stay(self):
        before, after = self.inspect(self.need(TINY)), None
        self.assert_ok(collet("quantize", "--type", "q8_0", TINY, self.folder / "out.gguf"))
        after = self.inspect(self.folder / "out.gguf")
        self.assertEqual([t["name"] for t in after["tensors"]], [t["name"] for t in before["tensors"]])
        for key, value in before["keys"].items():
            if key not in ("general.file_type", "general.quantization_version"):
                self.assertEqual(after["keys"][key], value, key)
        for t in after["tensors"]:
            self.assertEqual(t["offset"] % 32, 0, t["name"])

    def test_cli_quantize__both_forms_of_an_imatrix_say_the_same(self):
        source = self.f16()
        entries = {t["name"]: [1.0 + i % 7 for i in range(t["shape"][0])] for t in self.inspect(source)["tensors"]
                   if "ffn" in t["name"] and t["name"].endswith("weight") and "norm" not in t["name"]}
        made = {}
        for form, content in (("none", None), ("dat", imatrix_dat(entries)), ("gguf", imatrix_gguf(entries))):
            out = self.folder / f"{form}.gguf"
            given = ["--imatrix", self.file("im." + form, content)] if content else []
            result = self.assert_ok(collet("quantize", "--type", "q4_0", *given, source, out))
            tensors = self.inspect(out)["tensors"]
            made[form] = {t["name"]: out.read_bytes()[t["offset"]:t["offset"] + t["bytes"]] for t in tensors}
            self.assertEqual("nothing for" in result.err, content is not None)  # attention has no entry
        self.assertEqual(made["dat"], made["gguf"])
        for name in entries:
            self.assertNotEqual(made["dat"][name], made["none"][name], name)


class Refusals(Quantize):
    def test_cli_quantize__unknown_types_get_the_nearest_name(self):
        for args in (("--type", "q4_kk"), ("--tensor-type", "*ffn_down.weight=q4_kk")):
            self.assert_fails(collet("quantize", "--dry-run", *args, self.need(TINY)), USAGE, "q4_kk",
                              "did you mean 'q4_k'?")

    def test_cli_quantize__a_dry_run_meets_what_nobody_encodes(self):
        profile = self.file("p.yaml", "collet: 1\nfallback: error\nslots:\n  quant: { use: quant.bf16 }\n")
        for more in (["--dry-run"], [self.folder / "out.gguf"]):
            result = collet("quantize", "--type", "q8_0", "--profile", profile, self.need(TINY), *more)
            self.assert_fails(result, FAILED, "no module has the format q8_0")
        self.only("p.yaml")

    def test_cli_quantize__outputs_that_cannot_be(self):
        source = self.f16()
        before = source.read_bytes()
        link = self.folder / "link.gguf"
        link.symlink_to(source)
        for out, code, *texts in ((source, USAGE, "is the file that is read", "give another name"),
                                  (link, USAGE, "is the file that is read"),
                                  (self.folder, USAGE, "is a folder"),
                                  ("/dev/null", USAGE, "no regular file"),
                                  (self.folder / "none/x.gguf", FAILED, "cannot create a file in", "none"),
                                  (source / "x.gguf", FAILED, "cannot create a file in")):
            with self.subTest(str(out)):
                self.assert_fails(collet("quantize", "--type", "q8_0", source, out), code, *texts)
        self.assertEqual(source.read_bytes(), before)
        self.only("f16.gguf", "link.gguf")

    def test_cli_quantize__a_folder_that_may_not_be_written(self):
        if os.geteuid() == 0:
            skip("root may write everywhere")
        shut = self.folder / "shut"
        shut.mkdir(mode=0o500)
        self.assert_fails(collet("quantize", "--type", "q8_0", self.need(TINY), shut / "x.gguf"), FAILED,
                          "cannot create a file in", "Permission denied")

    def test_cli_quantize__an_imatrix_that_is_not_there_is_a_usage_error(self):
        missing = self.folder / "none.dat"
        self.assert_fails(collet("quantize", "--type", "q4_0", "--allow-requantize", "--imatrix", missing,
                                 self.need(TINY), self.folder / "out.gguf"), USAGE, str(missing))
        self.assertFalse((self.folder / "out.gguf").exists())

    def test_cli_quantize__an_imatrix_of_another_model(self):
        source = self.f16()
        for name, n, text in (("blk.99.ffn_up.weight", 256, "it has the weight 'blk.99.ffn_up.weight'"),
                              ("blk.0.ffn_up.weight", 250, "it has 250 columns for 'blk.0.ffn_up.weight'")):
            for form in (imatrix_dat, imatrix_gguf):
                given = self.file("im", form({name: [1.0] * n}))
                result = collet("quantize", "--type", "q4_0", "--imatrix", given, source, self.folder / "out.gguf")
                self.assert_fails(result, USAGE, "is of another model", text)
        self.only("f16.gguf", "im")

    def test_cli_quantize__weights_that_are_not_finite(self):
        source = self.f16()
        t = next(t for t in self.inspect(source)["tensors"] if t["name"] == "blk.1.ffn_up.weight")
        data, n_cols = bytearray(source.read_bytes()), t["shape"][0]
        for bits, word in ((0x7e00, "NaN"), (0xfc00, "infinity")):
            struct.pack_into("<H", data, t["offset"] + 2 * (3 * n_cols + 5), bits)
            bad = self.file("bad.gguf", bytes(data))
            command = ["quantize", "--type", "q8_0", bad, self.folder / "out.gguf"]
            self.assert_fails(collet(*command), MODEL, "tensor 'blk.1.ffn_up.weight'",
                              f"{word} at element {3 * n_cols + 5} (row 3, column 5)", "--allow-nonfinite")
            self.only("bad.gguf", "f16.gguf")
        self.assert_ok(collet(*command, "--allow-nonfinite"))
        self.only("bad.gguf", "f16.gguf", "out.gguf")


class Interrupted(Quantize):
    def limit(self, kind, n):
        return lambda: resource.setrlimit(kind, (n, n))

    def test_cli_quantize__a_limit_on_file_sizes(self):
        source = self.f16()
        result = collet("quantize", "--type", "q8_0", source, self.folder / "out.gguf",
                        before=self.limit(resource.RLIMIT_FSIZE, 200000))
        self.assert_fails(result, FAILED, "out.gguf: needs ", "more than one file may have here", "ulimit -f")
        self.only("f16.gguf")

    def test_cli_quantize__a_full_disk(self):
        source = self.f16()
        disk = self.folder / "disk"
        disk.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk], capture_output=True,
                              check=False)
        if done.returncode != 0:
            skip("a small tmpfs cannot be mounted here")
        try:
            self.assert_fails(collet("quantize", "--type", "q8_0", source, disk / "out.gguf"), FAILED,
                              "out.gguf: no space: needs ", "are free")
            self.assertEqual(list(disk.iterdir()), [])
        finally:
            subprocess.run(["umount", disk], check=True)

    def at_work(self, child):
        """True once its output is open: a file without a name, or a temporary one."""
        for fd in pathlib.Path(f"/proc/{child.pid}/fd").iterdir():
            try:
                target = os.readlink(fd)
            except OSError:
                continue
            if target.startswith(str(self.folder)) and (target.endswith("(deleted)") or ".tmp-" in target):
                return True
        return False

    def test_cli_quantize__signals_leave_nothing(self):
        old = self.file("out.gguf", "what was there before")
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with self.subTest(number):
                command = [str(COLLET), "quantize", "--allow-requantize", "--type", "iq4_xs", "--threads", "1",
                           str(self.need(GEMMA3)), str(old)]
                child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())
                end = time.monotonic() + 60
                while child.poll() is None and time.monotonic() < end and not self.at_work(child):
                    time.sleep(0.002)
                child.send_signal(number)
                out, err = child.communicate(timeout=60)
                self.assertEqual((child.returncode, out), (INTERRUPTED, b""), err)
                self.assertIn(b"interrupted; nothing was written to", err)
                self.assertEqual(old.read_text(), "what was there before")
                self.only("out.gguf")


if __name__ == "__main__":
    unittest.main()
