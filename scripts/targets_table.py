# SPDX-License-Identifier: Apache-2.0
# scripts/targets_table.py - which rows the table of targets has, their floors and goals, and how it is written.
import json

BEGIN, END = "<!-- targets: begin, written by scripts/targets.py -->", "<!-- targets: end -->"

FIVE = ("q4_0", "q4_k", "q5_k", "q6_k", "q8_0")
LOWER = {"C8", "C10", "C11"}  # less is better
FIGURES = {  # of which the ratio is, and its unit
    "C1": ("matvec 14336x4096 ÷ read bandwidth", "GB/s"),
    "C2": ("decode bytes/s ÷ read bandwidth", "GB/s"),
    "C3": ("decode, SmolLM2 135M Q4_1 ÷ peer", "tok/s"),
    "C4": ("prefill 512 ÷ peer", "tok/s"),
    "C5": ("prefill 512 ÷ peer", "tok/s"),
    "C6": ("bf16 GEMM 512x4096x4096 ÷ oneDNN", "GOPS"),
    "C7": ("f32 GEMM ÷ FMA peak", "GOPS"),
    "C8": ("step of 5 rows ÷ 1 row, 8B Q4_K", "ms"),
    "C9": ("quantizing 1B F16, whole run ÷ peer", "M weights/s"),
    "C10": ("resident memory ÷ file, 1B Q4_K", "MB"),
    "C11": ("first token of SmolLM2, whole run ÷ peer", "s"),
    "C12": ("decode beside a busy foreign thread ÷ alone", "tok/s"),
}
# (id, case): (floor, goal)
LIMITS = {("C1", f): (0.85, 0.95) for f in FIVE}
LIMITS |= {("C2", "8b q4_k"): (0.85, 0.93), ("C2", "1b q4_k"): (0.80, 0.90), ("C2", "1b q6_k"): (0.80, 0.90),
           ("C2", "1b q8_0"): (0.88, 0.93), ("C3", ""): (1.10, 1.4)}
LIMITS |= {("C4", f): (1.15, 1.5) for f in ("q4_0", "q4_k", "q5_k")}
LIMITS |= {("C4", "q6_k"): (1.1, 1.4), ("C4", "q8_0"): (1.1, 1.3), ("C4", "135m"): (1.2, 2.0)}
LIMITS |= {("C5", f"{shape} {f}"): (2.5, 5.0) for shape in ("1b", "8b") for f in FIVE}
LIMITS |= {("C5", "135m"): (1.5, 2.5), ("C6", ""): (0.9, 1.1), ("C7", ""): (0.75, 0.90), ("C8", ""): (0, 0)}
LIMITS |= {("C9", f): (6.0, 15.0) for f in ("q4_k", "q5_k", "q6_k", "q2_k", "q3_k")}
LIMITS |= {("C9", f): (2.0, 4.0) for f in ("q4_0", "q8_0")}
LIMITS |= {("C10", ""): (1.15, 1.05), ("C11", ""): (0.8, 0.4), ("C12", ""): (0.45, 0.6)}
STEP = {"avx2": (1.6, 1.35), "avx512": (1.35, 1.2), "amx": (1.2, 1.1)}  # C8 has its own at each level


def limits(name, case, isa):
    return STEP[isa] if name == "C8" else LIMITS[name, case]


def cases(isa):
    """(id, case) of every row at this level: C5 and C6 are about AMX, C4 is not."""
    skip = ("C4",) if isa == "amx" else ("C5", "C6")
    return [key for key in LIMITS if key[0] not in skip]


def met(name, ratio, floor, goal):
    """What the ratio reaches, as it is printed: two digits."""
    ratio = round(ratio, 2)
    if name in LOWER:
        ratio, floor, goal = -ratio, -floor, -goal
    return "goal" if ratio >= goal else "floor" if ratio >= floor else "**no**"


def number(x):
    return f"{x:.0f}" if x >= 100 else f"{x:.1f}" if x >= 10 else f"{x:.2f}"


def line(name, case, row, record):
    floor, goal = limits(name, case, record["isa"])
    figure, unit = FIGURES[name]
    figure = f"{figure}, {case}" if case else figure
    bounds = f"{floor:g} | {goal:g}"
    where = f"{record['machine']['name']} | {record['isa']}"
    if row is None or "missing" in row:
        why = "not measured" + (f": {row['missing']}" if row else "")
        return f"| {name} | {figure} | {why} | | | {bounds} | | {where} | | |"
    ratio = f"{row['ratio']:.2f}"
    if "ratio_min" in row:
        ratio += f" [{row['ratio_min']:.2f}..{row['ratio_max']:.2f}]"
    notes = [row["note"]] if row.get("note") else []
    if row.get("foreign", 0.0) > 0.0:
        notes.append(f"foreign load {row['foreign']:.2f}")
    peer = f"{row['peer_name']}: {number(row['peer'])} {unit}"
    command = f"`{row['command']}`" + (f" ({'; '.join(notes)})" if notes else "")
    date = f"{row['date']} {row['commit']}".strip()
    return (f"| {name} | {figure} | {peer} | {number(row['ours'])} {unit} | {ratio} | {bounds} | "
            f"{met(name, row['ratio'], floor, goal)} | {where} | {date} | {command} |")


def table(records):
    heads = ("id", "figure", "peer", "ours", "ratio", "floor", "goal", "met", "machine", "ISA level", "date, commit",
             "command")
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for name in FIGURES:
        for record in records:
            for key in cases(record["isa"]):
                if key[0] == name:
                    row = record["rows"].get(" ".join(key).strip())
                    lines.append(line(name, key[1], row, record))
    return "\n".join(lines)


def render(folder, page, begin=BEGIN, end=END):
    """Rewrites what is between the two markers of the page from all JSON files in the folder."""
    records = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    text = page.read_text()
    if text.count(begin) != 1 or text.count(end) != 1:
        raise SystemExit(f"{page}: the lines '{begin}' and '{end}' must each be there once")
    head, _, rest = text.partition(begin)
    _, _, tail = rest.partition(end)
    what = table(records) if records else "Nothing was measured yet."
    page.write_text(f"{head}{begin}\n{what}\n{end}{tail}")
