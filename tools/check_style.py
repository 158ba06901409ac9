#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# tools/check_style.py - the part of the house style that a script can see, so that reviews discuss design.
import pathlib
import re
import subprocess
import sys

FORBIDDEN = [  # (folders, pattern, what to do)
    (("core", "plugins"), r"(?<![\w.>])printf\s*\(", "no printf: log through the host"),
    (("core", "plugins"), r"(?<![\w_.>])(abort|exit)\s*\(", "no exit or abort: return a status"),
    (("core", "plugins", "cli", "include"), r"#if 0\b", "no #if 0: delete it"),
    (("core", "plugins", "cli", "include", "tests"), r"\b(TODO|FIXME|XXX)\b(?!.*#\d)", "a TODO needs an issue number"),
]
INTRINSICS = re.compile(r"_(avx2|avx512|amx|neon|dotprod)\.[ch]$")
INTRINSICS_HEADER = re.compile(r"<(immintrin|arm_neon)\.h>")
MAY_EXIT = {"core/plugin/scan_main.c"}  # a program of its own
MAY_BE_LONG = 600


def check_file(root, relative, problems):
    text = (root / relative).read_text(errors="replace")
    lines = text.split("\n")

    def say(number, what):
        problems.append(f"{relative}:{number}: {what}")

    if relative.suffix in (".c", ".h"):
        if lines[0] != "// SPDX-License-Identifier: Apache-2.0":
            say(1, "first line is not the SPDX line")
        if not lines[1].startswith(f"// {relative}"):
            say(2, f"second line does not begin with // {relative}")
        if len(lines) > MAY_BE_LONG + 1 and "longer than" not in "\n".join(lines[:8]):
            say(len(lines), f"more than {MAY_BE_LONG} lines without a reason in the first comment")
        if INTRINSICS_HEADER.search(text) and relative.suffix == ".c" and not INTRINSICS.search(relative.name):
            say(1, "intrinsics outside a file that is named after its ISA")
    if not text.endswith("\n") or text.endswith("\n\n"):
        say(len(lines), "must end in one newline")
    for number, line in enumerate(lines, 1):
        if len(line) > 120 and relative.suffix in (".c", ".h", ".inc", ".py"):
            say(number, f"{len(line)} columns")
        if "\t" in line or line.rstrip() != line:
            say(number, "a tab or a blank at the end")
        if relative.suffix not in (".c", ".h", ".inc") or str(relative) in MAY_EXIT:
            continue
        code = re.sub(r"//.*", "", re.sub(r'"(\\.|[^"\\])*"', '""', line))
        for folders, pattern, what in FORBIDDEN:
            if relative.parts[0] in folders and re.search(pattern, line if "TODO" in pattern else code):
                say(number, what)


def check_headers(root, files, problems):
    """A header with intrinsics may be shared by ISA levels, but reaches only files that are named after one."""
    texts = {f: (root / f).read_text(errors="replace") for f in files if f.suffix in (".c", ".h")}
    for header in [f for f in texts if f.suffix == ".h" and INTRINSICS_HEADER.search(texts[f])]:
        for source in [f for f in texts if f.suffix == ".c" and not INTRINSICS.search(f.name)]:
            if f'#include "{header.as_posix()}"' in texts[source]:
                problems.append(f"{source}:1: includes {header}, which has intrinsics")


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    listed = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True, check=True).stdout.split()
    problems = []
    suffixes = (".c", ".h", ".inc", ".py", ".sh", ".cmake", ".yaml")
    files = [pathlib.Path(f) for f in listed if f.endswith(suffixes) and (root / f).is_file()]
    for relative in files:
        check_file(root, relative, problems)
    check_headers(root, files, problems)
    for line in problems:
        print(line)
    print(f"check_style: {len(files)} files, {len(problems)} wrong")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
