#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# tools/ci_summary.py - ctest's JUnit files to counts: programs, tests in them, what was skipped and why.
import collections
import re
import sys
import xml.etree.ElementTree as ET


def inner_counts(text):
    """Counts of cmocka ("[       OK ]") and unittest ("Ran n tests", "skipped=n") inside one program's output."""
    passed = len(re.findall(r"^\[ +OK +\]", text, re.M))
    failed = len(re.findall(r"^\[ +FAILED +\] [a-z_0-9]+$", text, re.M))
    skipped = len(re.findall(r"^\[ +SKIPPED +\] [a-z_0-9]+$", text, re.M))
    for ran, result in re.findall(r"^Ran (\d+) tests? in .*\n\n(.*)$", text, re.M):
        bad = sum(int(n) for n in re.findall(r"(?:failures|errors)=(\d+)", result))
        skips = sum(int(n) for n in re.findall(r"skipped=(\d+)", result))
        passed += int(ran) - bad - skips
        failed += bad
        skipped += skips
    return passed, failed, skipped


def main(paths):
    total = collections.Counter()
    reasons = collections.Counter()
    for path in paths:
        counts = collections.Counter()
        for case in ET.parse(path).getroot().iter("testcase"):
            text = (case.findtext("system-out") or "") + (case.findtext("system-err") or "")
            passed, failed, skipped = inner_counts(text)
            ended_well = case.get("status") in ("run", "notrun") and case.find("failure") is None
            if passed + failed + skipped == 0:  # a program without inner tests counts as one
                passed, failed = (1, 0) if ended_well else (0, 1)
            if not ended_well and failed == 0:
                failed = 1  # it crashed or timed out
            if case.find("skipped") is not None:
                passed, skipped = 0, max(skipped, 1)
            counts.update(programs=1, passed=passed, failed=failed, skipped=skipped)
            for reason in re.findall(r"skipped: (.+)", text):
                reasons[reason.strip()] += 1
            if not ended_well:
                print(f"summary: FAILED {case.get('name')} ({path})")
        total.update(counts)
        print(f"summary: {path}: {counts['programs']} programs, {counts['passed']} tests passed, "
              f"{counts['failed']} failed, {counts['skipped']} skipped")
    for reason, n in sorted(reasons.items()):
        print(f"summary: skipped {n} x: {reason}")
    print(f"summary: all: {total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped")
    return 1 if total["failed"] or total["passed"] == 0 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
