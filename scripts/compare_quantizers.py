#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# scripts/compare_quantizers.py - is a model quantized by us as good as one quantized by llama-quantize?
#
#     scripts/compare_quantizers.py --peer DIR      # DIR holds llama-quantize
#
# Each model is expanded to F16. For each format there are three results of one recipe (that format for every matrix):
# quantized while loading, a file of `collet quantize --pure`, a file of `llama-quantize --pure`. `collet perplexity`
# reads the goldens' text with each. Ours may be worse than llama-quantize's by 0.5 %; otherwise the exit code is 1.
# The table goes into docs/PERFORMANCE.md between two markers. A quarter of an hour on two cores for both models.
import argparse
import datetime
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- quantizers: begin, written by scripts/compare_quantizers.py -->", "<!-- quantizers: end -->"
FORMATS = {"q8_0": "Q8_0", "q6_k": "Q6_K", "q5_k": "Q5_K_M", "q4_k": "Q4_K_M", "q4_0": "Q4_0"}  # --pure: plain formats
LIMIT = 1.005


class Comparison:
    def __init__(self, args, folder):
        self.args, self.folder = args, pathlib.Path(folder)
        self.collet = pathlib.Path(args.build).resolve() / "bin" / "collet"
        self.peer = pathlib.Path(args.peer).resolve()

    def run(self, *argv, env=None):
        done = subprocess.run([*map(str, argv)], capture_output=True, text=True, check=False,
                              env={**os.environ, **(env or {})})
        if done.returncode != 0:
            sys.exit(f"compare_quantizers: {' '.join(map(str, argv))}: exit code {done.returncode}: "
                     f"{done.stderr[-400:]}")
        return done.stdout

    def perplexity(self, model, *more):
        return json.loads(self.run(self.collet, "perplexity", "-m", model, "-f", self.args.text, "--chunks",
                                   self.args.chunks, "--json", "--threads", self.args.threads, *more))["ppl"]

    def formats_of(self, model):
        listed = json.loads(self.run(self.collet, "inspect", "--json", model))["tensors"]
        return {t["name"]: t["format"] for t in listed}

    def compare(self, f16, fmt):
        """Perplexities: while loading, our file, the peer's file."""
        rule = self.folder / f"{fmt}.yaml"  # a rule is obeyed to the letter, as --pure is
        rule.write_text(f"collet: 1\nisq:\n  - {{ tensor: \"*\", use: {fmt} }}\n")
        ours, theirs = self.folder / "ours.gguf", self.folder / "theirs.gguf"
        self.run(self.collet, "quantize", f16, ours, "--type", fmt, "--pure", "--threads", self.args.threads)
        self.run(self.peer / "llama-quantize", "--pure", f16, theirs, FORMATS[fmt], self.args.threads,
                 env={"LD_LIBRARY_PATH": str(self.peer)})
        mine, peers = self.formats_of(ours), self.formats_of(theirs)
        unlike = [f"{name} {mine.get(name)} and {peers.get(name)}" for name in peers if mine.get(name) != peers[name]]
        if unlike:
            sys.exit(f"compare_quantizers: {fmt}: the files do not have the same formats: {unlike[0]}")
        row = (self.perplexity(f16, "--profile", rule), self.perplexity(ours), self.perplexity(theirs))
        ours.unlink()
        theirs.unlink()
        return row


def write_table(page, lines):
    text = page.read_text()
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        sys.exit(f"{page}: the lines '{BEGIN}' and '{END}' must each be there once")
    head, _, rest = text.partition(BEGIN)
    page.write_text(head + BEGIN + "\n" + "\n".join(lines) + "\n" + END + rest.partition(END)[2])


def main():
    ap = argparse.ArgumentParser(description="Perplexity of models quantized by us and by llama-quantize.")
    ap.add_argument("--peer", required=True, metavar="DIR", help="a folder with llama-quantize")
    ap.add_argument("--model", action="append", help="may be repeated; default: the two of models/")
    ap.add_argument("--formats", default=",".join(FORMATS))
    ap.add_argument("--text", default=str(ROOT / "../shared/goldens/generate/perplexity.txt"))
    ap.add_argument("--chunks", type=int, default=0, help="of 512 tokens; 0: the whole text")
    ap.add_argument("--threads", type=int, default=2)
    ap.add_argument("--build", default=str(ROOT / "build/release"))
    ap.add_argument("--no-write", action="store_true", help="print the table only")
    args = ap.parse_args()
    models = args.model or [str(ROOT / "models" / name) for name in ("smollm2-135m-instruct-q4_1.gguf",
                                                                      "gemma-3-270m-q4_k_m.gguf")]
    level = os.environ.get("COLLET_ISA_MAX")
    lines = [f"{datetime.date.today()}, `scripts/compare_quantizers.py --chunks {args.chunks}`"
             f"{' (the whole text)' if args.chunks == 0 else ''}{f', {level} at most' if level else ''}; "
             f"limit {LIMIT:g}:", "",
             "| model, from F16 | F16 | format | while loading | our file | llama-quantize's | worst ratio | met |",
             "|---|---|---|---|---|---|---|---|"]
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        c = Comparison(args, folder)
        for model in map(pathlib.Path, models):
            f16 = pathlib.Path(folder) / "f16.gguf"
            c.run(c.collet, "quantize", model, f16, "--type", "f16", "--allow-requantize")
            plain = c.perplexity(f16)
            for fmt in args.formats.split(","):
                isq, ours, theirs = c.compare(f16, fmt)
                ratio = max(isq, ours) / theirs
                failed += ratio > LIMIT
                lines.append(f"| {model.stem} | {plain:.3f} | {fmt} | {isq:.3f} | {ours:.3f} | {theirs:.3f} | "
                             f"{ratio:.4f} | {'yes' if ratio <= LIMIT else '**no**'} |")
                print(lines[-1], flush=True)
    if not args.no_write:
        write_table(ROOT / "docs/PERFORMANCE.md", lines)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
