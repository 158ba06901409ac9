#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs/KERNELS.md: which format has which kernel at which level, read from the tables that build and test them.

    tools/kernel_table.py           writes docs/KERNELS.md
    tools/kernel_table.py --check   exits 1 when docs/KERNELS.md is older than the tables

A line of such a table is declared, compiled and tested by that one line: the test programs walk the same tables. The
check that they do is here: a test that does not name its table is an error.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "KERNELS.md"
LEVELS = ["REF", "AVX2", "AVX512", "AMX", "NEON", "DOTPROD"]  # DOTPROD: NEON with SDOT

# table, its test, and what the test must contain to walk it
TABLES = {
    "formats": ("plugins/common/formats.inc", "tests/plugins/common/test_formats.c", "formats"),
    "matmul": ("plugins/cpu/matmul/matmul_kernels.inc", "tests/plugins/cpu/test_matmul.c",
               "collet_cpu_n_matmul_kernels"),
    "quant": ("plugins/cpu/quant/quant_kernels.inc", "tests/plugins/cpu/test_quantize.c", "quant_kernels.inc"),
    "ops": ("plugins/cpu/ops/ops_kernels.inc", "tests/plugins/cpu/test_ops.c", "ops_kernels.inc"),
    "attention": ("plugins/cpu/attention/attention_kernels.inc", "tests/plugins/cpu/test_attention.c",
                  '"avx512, f16"'),  # its levels[]: see attention_is_tested()
}


def lines(table):
    path, test, mark = TABLES[table]
    if mark not in (ROOT / test).read_text():
        sys.exit(f"kernel_table: {test} does not walk {path}: no '{mark}' in it")
    for line in (ROOT / path).read_text().splitlines():
        found = re.match(r"([A-Z]+)\s*\(([^)]*)\)", line)
        if found:
            yield found.group(1), [word.strip() for word in found.group(2).split(",")]


def attention_is_tested():
    """The attention test names levels and store formats itself instead of walking the table."""
    test = (ROOT / TABLES["attention"][1]).read_text()
    for kind, words in lines("attention"):
        if kind == "KERNEL" and f'"{words[2].lower()}, {words[1]}"' not in test:
            sys.exit(f"kernel_table: {TABLES['attention'][1]} has no level for {words}")


def row(cells):
    return "| " + " | ".join(cells) + " |"


def head(cells):
    return [row(cells), "|" + "---|" * len(cells)]


def formats_table():
    matmul, quant = {}, {}
    for _, (name, level, *_rest) in lines("matmul"):
        matmul.setdefault(name, set()).add(level)
    for _, (_, level, name, *_rest) in lines("quant"):
        quant.setdefault(name, set()).add(level)
    out = head(["format", "decode", "encode: plain C", "encode: AVX2, AVX-512"] +
               ["matmul: plain C"] + [f"matmul: {level}" for level in LEVELS[1:]])
    for kind, (name, *_rest) in lines("formats"):
        encode = "x" if kind == "FORMAT" else ""
        fast = ", ".join(level for level in LEVELS[1:3] if level in quant.get(name, ()))
        out.append(row([f"`{name}`", "x", encode, fast, "x"] +
                       ["x" if level in matmul.get(name, ()) else "" for level in LEVELS[1:]]))
    return out


def others_table(table, width):
    have = {}
    for kind, words in lines(table):
        key = " ".join(words[:width]) if kind == "KERNEL" else "kv_append " + words[0]
        have.setdefault(key, set()).add(words[width] if kind == "KERNEL" else words[1])
    out = head([table] + LEVELS)
    for key in sorted(have):
        out.append(row([f"`{key}`"] + ["x" if level in have[key] else "" for level in LEVELS]))
    return out


def page():
    attention_is_tested()
    tests = [f"`{TABLES[t][0]}`: `{TABLES[t][1]}`" for t in TABLES]
    return "\n".join([
        "# Kernels: format, level, op",
        "",
        "Written by `tools/kernel_table.py` from the tables that declare the kernels; do not edit. An x is a kernel",
        "that is compiled in every build for its architecture and tested with hostile shapes and guard pages against",
        "plain C or double arithmetic. A test skips, by name, what the machine at hand lacks; AMX lines also run",
        "everywhere against emulated tile instructions, and NEON and DOTPROD (NEON with SDOT) lines under qemu-user",
        "(`scripts/test_neon.sh`).",
        "",
        "The plain C column of matmul is `cpu.matmul.ref`, which decodes through the format's module. Ops and",
        "attention have their plain C in `plugins/reference`; the tables of these are of `plugins/cpu` alone.",
        "",
        *formats_table(),
        "",
        *others_table("ops", 2),
        "",
        *others_table("attention", 2),
        "",
        "## Where the tests are",
        *[f"- {line}" for line in tests],
        ""])


def main():
    text = page()
    if sys.argv[1:] == ["--check"]:
        if not PAGE.exists() or PAGE.read_text() != text:
            sys.exit("kernel_table: docs/KERNELS.md is older than the kernels' tables: run tools/kernel_table.py")
    elif sys.argv[1:]:
        sys.exit(__doc__)
    else:
        PAGE.write_text(text)


if __name__ == "__main__":
    main()
