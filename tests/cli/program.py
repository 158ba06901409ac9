# SPDX-License-Identifier: Apache-2.0
# tests/cli/program.py - running the program as a user does, in a home of its own; models to run it on.
import atexit
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ.get("COLLET_SOURCE_DIR", pathlib.Path(__file__).resolve().parents[2]))
BUILD = pathlib.Path(os.environ.get("COLLET_BUILD_DIR", SOURCE / "build/release"))
GOLDENS = pathlib.Path(os.environ.get("COLLET_GOLDENS", SOURCE / "../shared/goldens"))
MODELS = pathlib.Path(os.environ.get("COLLET_MODELS", SOURCE / "models"))
QUICK = os.environ.get("COLLET_TEST_QUICK") == "1"  # sanitizer builds: fewer tokens of real models
COLLET = BUILD / "bin/collet"

TINY = GOLDENS / "hf/llama-tied/llama-tied-bf16.gguf"  # random weights, two layers: everything but sense
SMOLLM2 = MODELS / "smollm2-135m-instruct-q4_1.gguf"
GEMMA3 = MODELS / "gemma-3-270m-q4_k_m.gguf"

OK, FAILED, USAGE, MODEL, PLUGIN, MEMORY, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130


def sanitizers():
    """What the build under test was compiled with: "", "address,undefined", "thread"."""
    cache = BUILD / "CMakeCache.txt"
    found = re.search(r"^COLLET_SANITIZE:\w+=(.*)$", cache.read_text(), re.M) if cache.exists() else None
    return found[1] if found else ""


def skip(reason):
    print("skipped:", reason, file=sys.stderr)
    raise unittest.SkipTest(reason)


HOME = tempfile.mkdtemp(prefix="collet-test-")
atexit.register(shutil.rmtree, HOME, ignore_errors=True)


def environment(**more):
    """No COLLET_ variable, profile or plugin of the user reaches a test."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("COLLET_", "MISTRALRS_", "XDG_"))}
    return {**clean, "HOME": HOME, "LC_ALL": "C.UTF-8", **more}


class Result:
    def __init__(self, code, out, err):
        self.code, self.raw, self.err = code, out, err.decode(errors="replace")

    @property
    def out(self):
        return self.raw.decode(errors="replace")


def collet(*args, env=None, stdin=b"", stdout=subprocess.PIPE, before=None, cwd=None):
    done = subprocess.run([str(COLLET), *map(str, args)], input=stdin, stdout=stdout, stderr=subprocess.PIPE,
                          env=environment(**(env or {})), preexec_fn=before, cwd=cwd, timeout=300, check=False)
    return Result(done.returncode, done.stdout or b"", done.stderr)


class ProgramTest(unittest.TestCase):
    """Each test has a folder of its own and names the models it needs."""

    def setUp(self):
        if not COLLET.exists():
            skip(f"no bin/collet in {BUILD.name}")
        self.folder = pathlib.Path(tempfile.mkdtemp(dir=HOME))

    def need(self, model):
        if not model.exists():
            how = "set COLLET_GOLDENS" if model == TINY else "scripts/fetch_models.sh"
            skip(f"{model.name} is not here ({how})")
        return model

    def file(self, name, content):
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def plugin(self, name, source):
        """Compiles one C file with the public headers, as an author would; the host's sanitizer must match."""
        target = self.folder / f"libcollet_{name}.so"
        flags = [f"-fsanitize={sanitizers()}"] if sanitizers() else []
        subprocess.run([os.environ.get("CC", "cc"), "-std=c11", "-Wall", "-Wextra", "-Werror", "-O2", *flags, "-shared",
                        "-fPIC", "-fvisibility=hidden", "-I", SOURCE / "include", "-o", target, source], check=True)
        return target

    def assert_fails(self, result, code, *texts):
        """One or more lines on stderr, each of them ours, with all `texts` among them; nothing on stdout."""
        self.assertEqual(result.code, code, result.err)
        self.assertEqual(result.raw, b"")
        for line in result.err.splitlines():
            self.assertRegex(line, r"^collet: (error|warning): ")
        for text in texts:
            self.assertIn(text, result.err)

    def assert_ok(self, result):
        self.assertEqual(result.code, OK, result.err)
        return result
