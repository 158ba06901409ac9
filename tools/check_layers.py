#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# tools/check_layers.py - reads every #include and holds it against the one way that dependencies point.
import pathlib
import re
import sys

# folder -> folders it may include from, itself aside
ALLOWED = {
    "include/collet/plugin": ["include/collet/base.h"],
    "include/collet": [],
    "core/base": ["include/collet"],
    "core/plugin": ["include/collet", "core/base"],
    "core/text": ["include/collet", "core/base"],
    "core/model": ["include/collet", "core/base", "core/plugin"],
    "core/engine": ["include/collet", "core/base", "core/plugin", "core/text", "core/model"],
    "core/measure": ["include/collet", "core/base", "core/plugin", "core/text", "core/model", "core/engine"],
    "plugins/common": ["include/collet/base.h", "include/collet/plugin"],
    "plugins/reference": ["include/collet/base.h", "include/collet/plugin", "plugins/common"],
    "plugins/cpu": ["include/collet/base.h", "include/collet/plugin", "plugins/common"],
    "plugins/onednn": ["include/collet/base.h", "include/collet/plugin", "plugins/common"],
    # The simulated device runs the reference kernels (docs/decisions/0004).
    "plugins/sim": ["include/collet/base.h", "include/collet/plugin", "plugins/common", "plugins/reference"],
    "examples": ["include/collet"],
    "cli": ["include/collet", "core", "plugins/reference/reference.h"],
    "tests": ["include/collet", "core", "plugins", "cli", "examples"],
    "bench": ["include/collet", "core", "plugins", "tests/support"],
}


def resolve(root, source, name):
    """The file that an include names, relative to the root; None when it is a system header."""
    for base in (root, root / "include", source.parent):
        path = base / name
        if path.is_file():
            return path.resolve().relative_to(root)
    return None


def folder_of(path):
    for folder in sorted(ALLOWED, key=len, reverse=True):
        if path.as_posix().startswith(folder + "/"):
            return folder
    return None


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    wrong = []
    n = 0
    for source in sorted(root.glob("**/*.[chi]*")):
        relative = source.relative_to(root)
        if source.suffix not in (".c", ".h", ".inc") or relative.parts[0] in ("build", "models"):
            continue
        folder = folder_of(relative)
        if folder is None:
            wrong.append(f"{relative}: in no known folder")
            continue
        n += 1
        for number, line in enumerate(source.read_text(errors="replace").split("\n"), 1):
            match = re.match(r'\s*#\s*include\s+[<"]([^">]+)[">]', line)
            target = match and resolve(root, source, match.group(1))
            if not target:
                continue
            allowed = ALLOWED[folder] + [folder]
            if not any(target.as_posix() == a or target.as_posix().startswith(a + "/") for a in allowed):
                wrong.append(f"{relative}:{number}: {folder} may not include {target}")
    for line in wrong:
        print(line)
    print(f"check_layers: {n} files, {len(wrong)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
