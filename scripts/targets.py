#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# scripts/targets.py - fills the table of targets C1 to C12 in docs/PERFORMANCE.md: measures, keeps, renders.
#
#     scripts/targets.py --isa avx2 --peer avx2=DIR --peer DIR     # DIR holds llama-bench, llama-quantize, ...
#     scripts/targets.py --isa avx512 --only C1,C7 --missing       # goes on where an earlier run stopped
#     scripts/targets.py --render                                  # writes the table from docs/targets/*.json alone
#
# Ours and the peers run in turn, pinned to the same CPUs (as many as --threads), ratios are taken within a pair, and
# the median of the pairs' ratios is the figure. A run with more foreign load than 0.05 core is repeated; one that never
# gets quiet is kept and says so. Models are written by scripts/synthetic_gguf.py into --models, once. Each row is
# saved when it is measured, in docs/targets/MACHINE-ISA.json. What is missing (a peer, a level, a module) is named.
import argparse
import datetime
import json
import os
import pathlib
import re
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import synthetic_gguf  # noqa: E402
import targets_table   # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOREIGN_MAX = 0.05  # cores
FOREIGN_TICKS = 0.03  # seconds that a short run may seem to have had: three ticks of /proc/stat
GROUP_S = 45.0  # rounds of a comparison that are run inside one wrapper, which may have to wait for its turn
PEER_TYPES = {"q4_k": "Q4_K_M", "q5_k": "Q5_K_M", "q3_k": "Q3_K_M"}  # with --pure these are the plain formats


class Missing(Exception):
    """Why a row cannot be measured here."""


def disturbed(result):
    return result["foreign"] > FOREIGN_MAX + FOREIGN_TICKS / result["wall_s"]


class Bench:
    """This machine, at one ISA level."""

    def __init__(self, args):
        self.args = args
        self.build = pathlib.Path(args.build).resolve()
        self.collet = self.build / "bin" / "collet"
        self.models = pathlib.Path(args.models).resolve()
        self.smollm = pathlib.Path(args.smollm).resolve()
        self.cpus = sorted(os.sched_getaffinity(0))[:args.threads]
        self.env = {"COLLET_ISA_MAX": args.isa}
        self.foreign = 0.0  # the most that any run of this row had
        self.matvecs, self.matvecs_foreign = [], 0.0  # of C1
        self.begin = time.monotonic()
        self.peers = {}
        named = [peer.rpartition("=")[::2] for peer in args.peer]
        level = args.isa if any(level == args.isa for level, _ in named) else ""
        for i, folder in enumerate(folder for of, folder in named if of == level):
            name = f"llama.cpp{f' ({level} build)' if level else ''}{f' {i + 1}' if i else ''}"
            self.peers[name] = pathlib.Path(folder).resolve()

    # ---- running ----

    def run(self, commands):
        """Results of the commands, one after the other on a quiet machine."""
        for tries in range(self.args.tries):
            results = self.run_once(commands)
            noisy = [r for r in results if disturbed(r)]
            if not noisy or tries == self.args.tries - 1:
                break
            print(f"    foreign load {max(r['foreign'] for r in noisy):.2f}: again", flush=True)
        self.foreign = max([self.foreign] + [r["foreign"] for r in noisy])
        return results

    def run_once(self, commands):
        """One try, and for commands that fail an exception with what they said."""
        with tempfile.NamedTemporaryFile("w", suffix=".json") as spec:
            json.dump({"cpus": self.cpus, "settle_s": self.args.settle, "commands": commands}, spec)
            spec.flush()
            done = subprocess.run([*shlex.split(self.args.wrap), sys.executable, str(ROOT / "scripts/pinned_run.py"),
                                   spec.name], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"exit code {done.returncode} of {commands[0]['argv']}: {done.stderr[-300:]}")
        results = json.loads(done.stdout)
        for command, r in zip(commands, results):
            if r["rc"] != 0:
                raise RuntimeError(f"exit code {r['rc']} of {' '.join(command['argv'])}: {r['stderr'][-300:]}")
        return results

    def ours(self, *argv, **more):
        return {"argv": [str(self.collet), *map(str, argv)], "env": self.env, **more}

    def bench(self, model, *argv):
        return self.ours("bench", "-m", model, "--threads", self.args.threads, "--json", *argv)

    def peer(self, name, program, *argv, **more):
        folder = self.peers[name]
        if not (folder / program).exists():
            raise Missing(f"{program} is not in {name}'s folder")
        return {"argv": [str(folder / program), *map(str, argv)], "env": {"LD_LIBRARY_PATH": str(folder)}, **more}

    def need_peer(self):
        if not self.peers:
            raise Missing("no peer was given (--peer)")
        return list(self.peers)

    def kernels(self, texts, shape, *argv):
        """Rows of bench_kernels for kernels whose names have one of the texts in them."""
        program = self.build / "bin" / "bench_kernels"
        if not program.exists():
            raise Missing("bench_kernels is not in this build")
        commands = [[str(program), "--filter", text, "--shape", shape, "--threads", self.args.threads, "--json", *argv]
                    for text in texts]
        results = self.run([{"argv": [str(x) for x in command], "env": self.env} for command in commands])
        return [row for r in results for row in json.loads(r["stdout"])["rows"]]

    # ---- what is measured ----

    def model(self, shape, fmt):
        path = self.models / f"{shape}-{fmt}.gguf"
        if not path.exists():
            self.models.mkdir(parents=True, exist_ok=True)
            print(f"    writing {path}", flush=True)
            synthetic_gguf.make(path, shape, fmt, self.collet)
        return path

    def need_smollm(self):
        if not self.smollm.exists():
            raise Missing(f"no {self.smollm.name}: scripts/fetch_models.sh")
        return self.smollm

    def best(self, rows, fmt, with_amx):
        """The row of the kernel that a plan chooses at this level: the last one."""
        rows = [r for r in rows if r["format"] == fmt and (with_amx or r["isa"] != "amx")]
        if not rows:
            raise Missing(f"no kernel of {fmt} at this level")
        return rows[-1]


def shown(argv):
    """A command as a person would type it in the repository."""
    return " ".join(re.sub(r"^/.*/", "", str(a)) for a in argv)


def rate(result):
    """tokens/s of `collet bench --json` or of llama-bench."""
    o = json.loads(result["stdout"])
    if isinstance(o, list):
        return statistics.median(o[-1]["samples_ts"])
    return o["decode" if "decode" in o else "prefill"]["tokens_per_s"]


def rounds_of(b, n, commands, value):
    """n rounds of all commands in turn, {name: value} each: as many as needed to have n that nothing disturbed."""
    quiet, noisy, size, done = [], [], 1, 0
    while len(quiet) < n and done < b.args.tries * n:
        # every other round backwards, so that no side is always the one after the other
        orders = [list(commands)[::-1 if (done + i) % 2 else 1] for i in range(min(size, n - len(quiet)))]
        results = iter(b.run_once([commands[name] for order in orders for name in order]))
        wall = 0.0
        for order in orders:
            of_round = [next(results) for _ in order]
            wall += sum(r["wall_s"] for r in of_round)
            (noisy if any(map(disturbed, of_round)) else quiet).append(
                (max(r["foreign"] for r in of_round), {name: value(r) for name, r in zip(order, of_round)}))
        done += len(orders)
        size = max(1, min(n, int(GROUP_S / (wall / len(orders)))))
    kept = quiet + sorted(noisy, key=lambda r: r[0])[:n - len(quiet)]
    if len(quiet) < n:
        print(f"    foreign load of up to {kept[-1][0]:.2f} in {n - len(quiet)} of {n} rounds", flush=True)
        b.foreign = max(b.foreign, kept[-1][0])
    return [values for _, values in kept]


def pairs(b, n, ours, peers, value):
    """Median of the ratios ours / best peer; the best peer by its median."""
    rounds = rounds_of(b, n, {"ours": ours, **peers}, value)
    samples = {name: [r[name] for r in rounds] for name in rounds[0]}
    best = max(peers, key=lambda name: statistics.median(samples[name]))
    ratios = [x / y for x, y in zip(samples["ours"], samples[best])]
    return {"ours": statistics.median(samples["ours"]), "peer": statistics.median(samples[best]), "peer_name": best,
            "ratio": statistics.median(ratios), "ratio_min": min(ratios), "ratio_max": max(ratios),
            "rounds": n, "command": shown(ours["argv"])}


# ---- C1 to C12: each takes the machine and a case, and returns a figure ----

def c1(b, case):
    if not b.matvecs:  # all formats in one run
        b.matvecs = b.kernels([f"matmul_{fmt}_" for fmt in targets_table.FIVE], "14336x4096", "--rounds", "9")
        b.matvecs_foreign = b.foreign
    b.foreign = b.matvecs_foreign
    r = b.best(b.matvecs, case, with_amx=False)
    return {"ours": r["gbps"], "peer": r["gbps"] / r["of_read"], "peer_name": "read probe", "ratio": r["of_read"],
            "ratio_min": r["of_read_min"], "ratio_max": r["of_read_max"], "rounds": 9,
            "command": f"bench_kernels --filter matmul_{case}_ --shape 14336x4096"}


def c2(b, case):
    shape, fmt = case.split(" ")
    command = b.bench(b.model(shape, fmt), "--prompt", 0, "--gen", 12 if shape == "8b" else 32, "-r", 7)
    o = json.loads(b.run([command])[0]["stdout"])
    d = o["decode"]
    return {"ours": d["bytes_per_s"] * 1e-9, "peer": o["read"]["bytes_per_s"] * 1e-9, "peer_name": "read probe",
            "ratio": d["fraction_of_read"], "rounds": 7, "command": shown(command["argv"])}


def c3(b, _case):
    m = b.need_smollm()
    peers = {name: b.peer(name, "llama-bench", "-m", m, "-t", b.args.threads, "-r", 1, "-p", 0, "-n", 64, "-o", "json")
             for name in b.need_peer()}
    return pairs(b, b.args.pairs or 7, b.bench(m, "--prompt", 0, "--gen", 64, "-r", 1), peers, rate)


def prefill(b, case):
    small = case == "135m"
    shape, _, fmt = ("1b " + case if " " not in case and not small else case).partition(" ")
    m = b.need_smollm() if small else b.model(shape, fmt)
    peers = {name: b.peer(name, "llama-bench", "-m", m, "-t", b.args.threads, "-r", 1, "-p", 512, "-n", 0, "-o", "json")
             for name in b.need_peer()}
    row = pairs(b, b.args.pairs or (7 if small else 1 if shape == "8b" else 3),
                b.bench(m, "--prompt", 512, "--gen", 0, "-r", 1), peers, rate)
    if shape == "8b" and fmt != "q4_k":
        m.unlink()  # five of them are 30 GB; q4_k has other uses
    return row


def c6(b, _case):
    plugins = subprocess.run([str(b.collet), "plugins", "list"], capture_output=True, text=True, check=False).stdout
    if "onednn.matmul" not in plugins:
        raise Missing("no module onednn.matmul in this build")

    def multiply(result):
        rows = [o for o in json.loads(result["stdout"])["ops"] if o["phase"] == "prefill" and o["op"] == "matmul" and
                o["weight"].endswith("attn_output.weight")]
        return rows[0]["ops_per_s"] * 1e-9
    command = ["--prompt", 512, "--gen", 0, "-r", 5, "--ops"]
    m = b.model("gemm", "bf16")
    return pairs(b, b.args.pairs or 5, b.bench(m, *command),
                 {"oneDNN": b.bench(m, *command, "--set", "slots.matmul=onednn.matmul")}, multiply)


def c7(b, _case):
    r = b.best(b.kernels(["matmul_f32"], "4096x4096", "--tokens", "512", "--rounds", "9"), "f32", with_amx=False)
    return {"ours": r["gops"], "peer": r["gops"] / r["of_peak"], "peer_name": "f32 peak probe", "ratio": r["of_peak"],
            "rounds": 9, "command": "bench_kernels --filter matmul_f32 --shape 4096x4096 --tokens 512"}


def c8(b, _case):
    m = b.model("8b", "q4_k")
    one = b.bench(m, "--prompt", 0, "--gen", 8, "-r", 2)
    five = b.bench(m, "--prompt", 0, "--gen", 8, "-r", 2, "--batch", 5)
    return pairs(b, b.args.pairs or 3, five, {"a step of 1 row": one},
                 lambda r: json.loads(r["stdout"])["decode"]["batch"] / rate(r) * 1e3)


def c9(b, case):
    m = b.model("1b", "f16")
    out = b.models / "quantized.gguf"
    weights = sum(rows * cols for _, (rows, cols) in synthetic_gguf.tensors(synthetic_gguf.SHAPES["1b"])) * 1e-6
    ours = b.ours("quantize", m, out, "--type", case, "--pure", "--threads", b.args.threads, remove=str(out))
    names = b.need_peer()
    peers = [b.peer(name, "llama-quantize", "--pure", m, out, PEER_TYPES.get(case, case.upper()), b.args.threads,
                    remove=str(out)) for name in names]
    speed = {name: [] for name in ("ours", *names)}
    for _ in range(b.args.pairs or (2 if case in ("q4_0", "q8_0") else 1)):
        for name, command in zip(("ours", *names, "ours"), (ours, *peers, ours)):
            speed[name].append(weights / b.run([command])[0]["wall_s"])
    out.unlink()
    best = max(names, key=lambda name: statistics.median(speed[name]))
    mine, theirs = statistics.median(speed["ours"]), statistics.median(speed[best])
    return {"ours": mine, "peer": theirs, "peer_name": best, "ratio": mine / theirs, "rounds": len(speed[best]),
            "command": shown(ours["argv"])}


def c10(b, _case):
    m = b.model("1b", "q4_k")
    ours = b.ours("generate", "-m", m, "-p", "a", "-n", 96, "--ignore-eos", "--threads", b.args.threads, "--context",
                  512, resident=True)
    r = b.run([ours] * 3)
    size = m.stat().st_size
    ratios = [x["resident_bytes"] / size for x in r]
    row = {"ours": statistics.median(x["resident_bytes"] for x in r) * 1e-6, "peer": size * 1e-6,
           "peer_name": "file", "ratio": statistics.median(ratios), "rounds": 3, "command": shown(ours["argv"]),
           "note": f"peak {max(x['peak_bytes'] for x in r) / size:.2f}"}
    for name in b.peers:
        try:
            c = b.peer(name, "llama-completion", "-m", m, "-p", "a", "-n", 64, "-t", b.args.threads, "-no-cnv",
                       "--ignore-eos", "-c", 512, resident=True)
        except Missing:
            continue
        row["note"] += f"; {name} {b.run([c])[0]['resident_bytes'] / size:.2f}"
    return row


def c11(b, _case):
    m = b.need_smollm()
    ours = b.ours("generate", "-m", m, "-p", "The capital of France is", "-n", 1, "--threads", b.args.threads)
    peers = {name: b.peer(name, "llama-completion", "-m", m, "-p", "The capital of France is", "-n", 1, "-t",
                          b.args.threads, "-no-cnv", "--temp", 0, "-c", 2048) for name in b.need_peer()}
    b.run([ours, *peers.values()])  # the page cache is warm from here on
    row = pairs(b, b.args.pairs or 9, ours, peers, lambda r: -r["wall_s"])  # the best peer is the one with least
    return {**row, "ours": -row["ours"], "peer": -row["peer"]}


def c12(b, _case):
    if len(b.cpus) < 2:
        raise Missing("one CPU only")
    m = b.need_smollm()
    command = b.bench(m, "--prompt", 0, "--gen", 64, "-r", 2)
    row = pairs(b, b.args.pairs or 5, {**command, "busy": 1}, {"alone": command}, rate)
    notes = []
    for name in b.peers:
        alone = b.peer(name, "llama-bench", "-m", m, "-t", b.args.threads, "-r", 1, "-p", 0, "-n", 8, "-o", "json")
        try:
            r = b.run([alone, {**alone, "busy": 1}])
            notes.append(f"{name} {rate(r[1]) / rate(r[0]):.2f}")
        except RuntimeError:
            notes.append(f"{name} did not end")  # threads that spin at barriers
    return {**row, "note": "; ".join(notes)}


RUN = {"C1": c1, "C2": c2, "C3": c3, "C4": prefill, "C5": prefill, "C6": c6, "C7": c7, "C8": c8, "C9": c9, "C10": c10,
       "C11": c11, "C12": c12}


# ---- files ----

def machine_of(b):
    fields = {}
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    name = f"{fields.get('model name', 'cpu')} {fields.get('cpu family', '')}/{fields.get('model', '')}"
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower().replace("(r)", "")).strip("-")
    return {"name": name, "slug": b.args.machine or slug, "cpus": len(os.sched_getaffinity(0)),
            "threads": b.args.threads}


def git_commit():
    try:
        return subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True,
                              check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""  # a copy without its history


def load(path, b, machine):
    if path.exists():
        return json.loads(path.read_text())
    return {"machine": machine, "isa": b.args.isa, "rows": {}}


def save(path, record):
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")
    os.replace(partial, path)


def measure(b, name, case):
    b.foreign = 0.0
    row = {"date": datetime.date.today().isoformat(), "commit": git_commit()}
    try:
        row.update(RUN[name](b, case))
        row["foreign"] = b.foreign
        print(f"{name} {case}: {row['ratio']:.3f}", flush=True)
    except Missing as why:
        row["missing"] = str(why)
        print(f"{name} {case}: skipped: {why}", flush=True)
    except (RuntimeError, KeyError, ValueError, OSError) as why:
        row["missing"] = f"failed: {why}"[:160].replace("\n", " ")
        print(f"{name} {case}: failed: {why}", file=sys.stderr, flush=True)
    return row


def measure_all(args):
    b = Bench(args)
    machine = machine_of(b)
    path = pathlib.Path(args.out) / f"{machine['slug']}-{args.isa}.json"
    record = load(path, b, machine)
    offered = subprocess.run([str(b.collet), "doctor"], capture_output=True, text=True, check=False).stdout
    if f"{args.isa}: offered" not in offered:
        print(f"targets: {args.isa} is not offered here", file=sys.stderr)
        return 1
    for name, case in targets_table.cases(args.isa):
        key = f"{name} {case}".strip()
        if args.only and name not in args.only.split(","):
            continue
        if args.case and not re.search(args.case, case):
            continue
        if args.missing and "ratio" in record["rows"].get(key, {}):
            continue
        if args.minutes and time.monotonic() - b.begin > 60 * args.minutes:
            print(f"targets: {args.minutes} minutes are over before {key}; --missing goes on", file=sys.stderr)
            break
        row = measure(b, name, case)
        if "ratio" in row or "ratio" not in record["rows"].get(key, {}):
            record["rows"][key] = row
            save(path, record)
    return 0


def main():
    ap = argparse.ArgumentParser(description="Measure the targets C1 to C12 and write docs/PERFORMANCE.md's table.")
    ap.add_argument("--isa", choices=("avx2", "avx512", "amx"), help="the level to measure")
    ap.add_argument("--peer", action="append", default=[], metavar="[LEVEL=]DIR",
                    help="a folder with llama-bench and so on; the best of several counts; with LEVEL=, for that "
                         "level and instead of those without")
    ap.add_argument("--only", help="C1,C7: these targets only")
    ap.add_argument("--case", help="only cases that match this regular expression")
    ap.add_argument("--missing", action="store_true", help="only rows that have no figure yet")
    ap.add_argument("--minutes", type=float, help="begin no row after so many minutes")
    ap.add_argument("--pairs", type=int, help="rounds of a comparison (default: 1 to 9, by its length)")
    ap.add_argument("--tries", type=int, default=3, help="how often a run that foreign load disturbed is run at most")
    ap.add_argument("--settle", type=float, default=20.0, help="how many seconds to wait for idle CPUs at most")
    ap.add_argument("--threads", type=int, default=2)
    ap.add_argument("--wrap", default=os.environ.get("TARGETS_WRAP", ""),
                    help="a command that runs another one on a quiet machine (environment: TARGETS_WRAP)")
    ap.add_argument("--build", default=str(ROOT / "build/release"))
    ap.add_argument("--models", default=os.path.join(tempfile.gettempdir(), "collet-targets"),
                    help="where synthetic models are written, up to 22 GB")
    ap.add_argument("--smollm", default=str(ROOT / "models/smollm2-135m-instruct-q4_1.gguf"))
    ap.add_argument("--machine", help="name in the file name (default: from /proc/cpuinfo)")
    ap.add_argument("--out", default=str(ROOT / "docs/targets"),
                    help="where the JSON files are; elsewhere than in docs/targets nothing is rendered")
    ap.add_argument("--render", action="store_true", help="write docs/PERFORMANCE.md, measure nothing")
    ap.add_argument("--clean", action="store_true", help="remove the synthetic models at the end")
    args = ap.parse_args()
    if not args.render and not args.isa:
        ap.error("which level: --isa avx2, avx512 or amx; or --render")
    status = 0 if args.render else measure_all(args)
    if args.render or pathlib.Path(args.out).resolve() == ROOT / "docs/targets":
        targets_table.render(pathlib.Path(args.out), ROOT / "docs/PERFORMANCE.md")
    if args.clean:
        shutil.rmtree(args.models, ignore_errors=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
