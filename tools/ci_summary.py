#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# tools/ci_summary.py - from ctest's JUnit files to counts per preset and label; what failed; what was skipped and why.
#
#     tools/ci_summary.py build/ci/release.xml ...     beside each file, release.json may be `ctest --show-only=json-v1`
#
# Non-zero when a test failed, when a program ended badly, and when a preset ran nothing.
import collections
import json
import pathlib
import re
import sys
import xml.etree.ElementTree as ET


def inner_counts(text):
    """What one program ran: cmocka names each test, and those not OK once more at the end; unittest ends in a sum."""
    def names(state):
        return set(re.findall(rf"^\[ +{state} +\] (\S+)$", text, re.M))

    counts = collections.Counter(passed=len(names("OK")), failed=len(names("FAILED")), skipped=len(names("SKIPPED")))
    for ran, result in re.findall(r"^Ran (\d+) tests? in .*\n\n(.*)$", text, re.M):
        bad = sum(int(n) for n in re.findall(r"(?:failures|errors)=(\d+)", result))
        skips = sum(int(n) for n in re.findall(r"skipped=(\d+)", result))
        counts.update(passed=max(int(ran) - bad - skips, 0), failed=bad, skipped=skips)
    return counts


def labels_of(xml):
    listing = xml.with_suffix(".json")
    if not listing.exists():
        return {}
    tests = json.loads(listing.read_text())["tests"]
    return {t["name"]: p["value"][0] for t in tests for p in t["properties"] if p["name"] == "LABELS" and p["value"]}


def count_case(case, text):
    counts = inner_counts(text)
    ended_well = case.get("status") == "run" and case.find("failure") is None
    not_run = case.find("skipped")
    if not_run is not None and "SKIP" in not_run.get("message", ""):  # its SKIP_RETURN_CODE; else it was not even built
        return collections.Counter(skipped=max(counts["skipped"], 1))
    if not ended_well:
        counts["failed"] = max(counts["failed"], 1)  # it may have crashed before it could say so
    elif sum(counts.values()) == 0:
        counts["passed"] = 1  # a program without inner tests is one
    return counts


def form(counts):
    return f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped"


def main(paths):
    total, reasons, empty = collections.Counter(), collections.Counter(), []
    for path in map(pathlib.Path, paths):
        by_label, labels = collections.defaultdict(collections.Counter), labels_of(path)
        n_programs = 0
        for case in ET.parse(path).getroot().iter("testcase"):
            text = (case.findtext("system-out") or "") + (case.findtext("system-err") or "")
            counts = count_case(case, text)
            by_label[labels.get(case.get("name"), "other")].update(counts)
            reasons.update(reason.strip() for reason in re.findall(r"skipped: (.+)", text))
            n_programs += 1
            if counts["failed"]:
                print(f"summary: FAILED {path.stem}: {case.get('name')}")
        preset = sum(by_label.values(), collections.Counter())
        print(f"summary: {path.stem}: {n_programs} programs, {form(preset)}")
        for label in sorted(by_label):
            print(f"summary:     {label:8} {form(by_label[label])}")
        total.update(preset)
        if preset["passed"] == 0:
            empty.append(path.stem)
    for reason, n in sorted(reasons.items()):
        print(f"summary: skipped {n} x: {reason}")
    for preset in empty:
        print(f"summary: FAILED {preset}: no test passed")
    print(f"summary: all: {form(total)}")
    return 1 if total["failed"] or empty or not paths else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
