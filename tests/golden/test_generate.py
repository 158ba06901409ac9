#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Golden texts through the program, for every model that goldens/generate records and models/ has.

Reference modules have f32 activations, so their greedy ids equal the `f32` rows up to the first position that row marks
fragile. Tuned modules may quantize activations: teacher-forced on the recorded ids their choice equals the recorded one
wherever the margin is at least `robust_margin`, and their mean KL divergence from the f32 rows is not above that of the
recorded native rows. The divergence is taken over the ids that both recorded rows have among their ten, renormalised.

COLLET_BUILD_DIR names the build, COLLET_GOLDENS the data, COLLET_MODELS the models; COLLET_TEST_QUICK=1 takes one
case of each (sanitizer builds).
"""
import array
import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ.get("COLLET_SOURCE_DIR", pathlib.Path(__file__).resolve().parents[2]))
BUILD = pathlib.Path(os.environ.get("COLLET_BUILD_DIR", SOURCE / "build" / "release"))
GOLDENS = pathlib.Path(os.environ.get("COLLET_GOLDENS", SOURCE / ".." / "shared" / "goldens"))
MODELS = pathlib.Path(os.environ.get("COLLET_MODELS", SOURCE / "models"))
QUICK = os.environ.get("COLLET_TEST_QUICK") == "1"
COLLET = BUILD / "bin" / "collet"
REFERENCE = ["--set", "slots.matmul=cpu.matmul.ref", "--set", "slots.attention=cpu.attention.ref",
             "--set", "slots.ops=cpu.ops.ref"]
F32_CACHE = ["--set", "options.kv.contiguous.dtype=f32"]
F32_LIMIT = 1e-3  # the goldens' tolerance for engines with f32 activations; we are nearer 1e-5
ARCHITECTURES = ("llama", "gemma3")  # of this version


def skip(reason):
    print("skipped:", reason, file=sys.stderr)
    raise unittest.SkipTest(reason)


def collet(*args):
    done = subprocess.run([str(COLLET), *map(str, args)], capture_output=True, check=False)
    if done.returncode != 0:
        raise AssertionError(f"collet {args[0]} ended with {done.returncode}: {done.stderr.decode(errors='replace')}")
    return done.stdout


def generate(model, ids, n, *more):
    return json.loads(collet("generate", "-m", model, "--ids", ",".join(map(str, ids)), "--max-tokens", n,
                             "--ignore-eos", "--temperature", 0, "--json", *more))


def rows_of(path, n_rows):
    values = array.array("f", path.read_bytes())
    n = len(values) // n_rows
    return [values[i * n:(i + 1) * n] for i in range(n_rows)]


def logits(model, ids, *more):
    """Rows of logits, one array per token."""
    with tempfile.NamedTemporaryFile(suffix=".f32") as out:
        collet("logits", "-m", model, "--ids", ",".join(map(str, ids)), "-o", out.name, *more)
        return rows_of(pathlib.Path(out.name), len(ids))


def architecture(gguf):
    return json.loads(collet("inspect", gguf, "--json"))["keys"]["general.architecture"]["value"].strip('"')


def softmax(values):
    top = max(values)
    weights = [math.exp(v - top) for v in values]
    total = sum(weights)
    return [w / total for w in weights]


def divergence(p_logits, q_logits):
    p, q = softmax(p_logits), softmax(q_logits)
    return sum(a * math.log(a / b) for a, b in zip(p, q) if a > 0)


def records():
    return sorted(p for p in (GOLDENS / "generate").glob("*.json") if not p.name.startswith("perplexity"))


class Golden(unittest.TestCase):
    def setUp(self):
        if not COLLET.exists():
            skip(f"no program at {COLLET.name} in the build folder")
        if not records():
            skip("no generate goldens: set COLLET_GOLDENS")

    def each_model(self):
        for path in records():
            record = json.loads(path.read_text(encoding="utf-8"))
            model = MODELS / (record["model"] + ".gguf")
            if not model.exists():
                print(f"skipped: model {record['model']} is not in models/ (scripts/fetch_models.sh)", file=sys.stderr)
                continue
            cases = record["cases"][:1] if QUICK else record["cases"]
            yield record, model, cases

    def test_generate__reference_modules_follow_the_f32_rows(self):
        """The first case token by token. Of the others every third, all at once: where every choice after the recorded
        ids before it is the recorded one, greedy decoding gives those ids, by induction, and reading is ten times as
        fast."""
        for record, model, cases in self.each_model():
            for number, case in enumerate(cases[:1] if QUICK else cases[::3]):
                want = case["f32"]["generated_ids"]
                n = min(case["f32"]["fragile"] + [len(want), 8 if QUICK else len(want)])
                if n == 0:
                    continue
                with self.subTest(model=record["model"], prompt=case["prompt"][:40]):
                    if number == 0:
                        got = generate(model, case["prompt_ids"], n, *REFERENCE)["ids"]
                    else:
                        prompt = case["prompt_ids"]
                        rows = logits(model, prompt + want[:n - 1], *REFERENCE)[len(prompt) - 1:]
                        got = [row.index(max(row)) for row in rows]
                    self.assertEqual(got, want[:n])

    def test_generate__tuned_modules_choose_what_was_recorded(self):
        for record, model, cases in self.each_model():
            self.choose_what_was_recorded(record, model, cases)

    def test_generate__the_reference_matmul_under_tuned_ops_does_too(self):
        for record, model, cases in self.each_model():
            self.choose_what_was_recorded(record, model, cases[:1] if QUICK else cases[::4], "--set",
                                          "slots.matmul=cpu.matmul.ref")

    def choose_what_was_recorded(self, record, model, cases, *more):
        ours, native = [], []
        for case in cases:
            with self.subTest(model=record["model"], prompt=case["prompt"][:40]):
                o, n = self.teacher_forced(record, model, case, *more)
                ours += o
                native += n
        mean_ours, mean_native = sum(ours) / len(ours), sum(native) / len(native)
        print(f"{record['model']}: mean KL from f32: ours {mean_ours:.3e}, recorded native {mean_native:.3e}")
        if not QUICK:
            self.assertLessEqual(mean_ours, mean_native, record["model"])

    def teacher_forced(self, record, model, case, *more):
        prompt, generated = case["prompt_ids"], case["generated_ids"]
        rows = logits(model, prompt + generated[:-1], *more)[len(prompt) - 1:]
        for i, margin in enumerate(case["margins"]):
            if margin >= record["robust_margin"]:
                self.assertEqual(rows[i].index(max(rows[i])), generated[i], f"position {i}, margin {margin}")
        ours, native = [], []
        for row, f32, recorded in zip(rows, case["f32"]["top10_along_native_path"], case["top10"]):
            truth, other = dict(zip(f32["ids"], f32["logits"])), dict(zip(recorded["ids"], recorded["logits"]))
            ids = [i for i in truth if i in other]
            ours.append(divergence([truth[i] for i in ids], [row[i] for i in ids]))
            native.append(divergence([truth[i] for i in ids], [other[i] for i in ids]))
        return ours, native

    def test_generate__decoding_agrees_with_reading(self):
        """Token by token and all at once must choose alike where the choice is clear."""
        for record, model, cases in self.each_model():
            for case in cases[:2]:
                with self.subTest(model=record["model"], prompt=case["prompt"][:40]):
                    got = generate(model, case["prompt_ids"], 16, "--top-logits", 2)
                    rows = logits(model, case["prompt_ids"] + got["ids"][:-1])[len(case["prompt_ids"]) - 1:]
                    for i, (row, top) in enumerate(zip(rows, got["top_logits"])):
                        if top[0][1] - top[1][1] >= record["robust_margin"]:
                            self.assertEqual(row.index(max(row)), got["ids"][i], f"position {i}")

    def test_generate__sim_gives_the_tokens_of_the_reference(self):
        for record, model, cases in self.each_model():
            for case in cases[:1]:
                with self.subTest(model=record["model"]):
                    n = 4 if QUICK else 12
                    sim = generate(model, case["prompt_ids"], n, "--set", "slots.device=sim.device")
                    ref = generate(model, case["prompt_ids"], n, *REFERENCE)
                    self.assertEqual(sim["ids"], ref["ids"])
                    self.assertEqual(sim["capture"], {"recorded": 1, "replayed": n - 2})

    def test_generate__perplexity_is_the_recorded_one(self):
        if QUICK:
            skip("perplexity of whole texts in a quick run")
        for record, model, _ in self.each_model():
            path = GOLDENS / "generate" / f"perplexity-{record['model']}.json"
            if not path.exists():
                continue
            want = json.loads(path.read_text(encoding="utf-8"))
            got = json.loads(collet("perplexity", "-m", model, "-f", GOLDENS / "generate" / want["text"], "--json"))
            print(f"{record['model']}: perplexity {got['ppl']:.4f}, native {want['native']['ppl']}, "
                  f"f32 {want['f32']['ppl']}")
            self.assertEqual(got["chunks"], len(want["native"]["running_ppl_per_chunk"]))
            self.assertLess(abs(got["ppl"] / want["native"]["ppl"] - 1), 0.005, record["model"])

    def test_generate__tiny_models_agree_with_transformers(self):
        """hf/*/*.gguf of the architectures in this build, against f32 logits of the same weights: read at once, in
        pieces, and one token at a time."""
        for name, gguf, record, want in self.tiny_models():
            for modules, more in (("reference", REFERENCE), ("tuned", [])):
                for step_tokens in (512, 7, 1):
                    with self.subTest(model=name, modules=modules, step_tokens=step_tokens):
                        rows = logits(gguf, record["input_ids"], *F32_CACHE, "--set",
                                      f"engine.step_tokens={step_tokens}", "--set", "engine.max_requests=1", *more)
                        worst = max(abs(a - b) for row, other in zip(rows, want) for a, b in zip(row, other))
                        print(f"{name} {modules}, {step_tokens} tokens a step: largest difference {worst:.2e}")
                        self.assertLessEqual(worst, F32_LIMIT)

    def test_generate__tiny_models_continue_as_transformers_does(self):
        for name, gguf, record, _ in self.tiny_models():
            n = min(record["fragile"] + [len(record["generated_ids"])])
            for modules, more in (("reference", REFERENCE), ("tuned", [])):
                with self.subTest(model=name, modules=modules):
                    got = generate(gguf, record["input_ids"], n, *F32_CACHE, *more)
                    self.assertEqual(got["ids"], record["generated_ids"][:n])

    def test_generate__quantised_tiny_models_agree_with_their_f32_rows(self):
        """Reference modules to within f32; tuned ones no further, in KL divergence, than the recorded native rows."""
        n_models = 0
        for manifest in sorted((GOLDENS / "hf").glob("*/quantised/manifest.json")):
            for entry in json.loads(manifest.read_text(encoding="utf-8")):
                gguf, ids = manifest.parent / entry["file"], entry["input_ids"]
                if architecture(gguf) not in ARCHITECTURES:
                    continue
                n_models += 1
                f32, native = (rows_of(manifest.parent / entry[k]["logits"], len(ids)) for k in ("f32", "native"))
                with self.subTest(model=entry["file"]):
                    exact = logits(gguf, ids, *F32_CACHE, *REFERENCE)
                    worst = max(abs(a - b) for row, other in zip(exact, f32) for a, b in zip(row, other))
                    tuned = logits(gguf, ids)
                    ours = sum(map(divergence, f32, tuned)) / len(ids)
                    theirs = sum(map(divergence, f32, native)) / len(ids)
                    print(f"{entry['file']}: reference differs by {worst:.2e}; mean KL {ours:.2e}, native {theirs:.2e}")
                    self.assertLessEqual(worst, F32_LIMIT)
                    self.assertLessEqual(ours, theirs)
        if n_models == 0:
            skip("no quantised tiny models in the goldens")

    def tiny_models(self):
        found = []
        for golden in sorted((GOLDENS / "hf").glob("*/golden.json")):
            record = json.loads(golden.read_text(encoding="utf-8"))
            gguf = golden.parent / (record.get("gguf") or {}).get("file", "none")
            if not gguf.is_file():
                continue
            if architecture(gguf) not in ARCHITECTURES:
                print(f"skipped: architecture {architecture(gguf)} is not in this version", file=sys.stderr)
                continue
            # Where the GGUF cannot say what transformers does (Mistral's window), llama.cpp's logits are the measure.
            other = golden.parent / "logits-llamacpp.f32"
            if other.exists():
                record["generated_ids"], record["fragile"] = [], [0]
            want = other if other.exists() else golden.parent / record["logits"]["file"]
            found.append((golden.parent.name, gguf, record, rows_of(want, len(record["input_ids"]))))
        if not found:
            skip("no tiny models in the goldens")
        return found


if __name__ == "__main__":
    unittest.main(verbosity=2)
