#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# scripts/pinned_run.py - commands one after the other on some CPUs, each with its time, memory and foreign load.
#
#     pinned_run.py SPEC.json     {"cpus": [0, 1], "settle_s": 20, "commands": [{"argv": [...], "env": {...}}, ...]}
#                                 -> JSON on stdout
#
# A program of its own, so that it can be run inside a wrapper that waits for a quiet machine: what happens while it
# waits is not measured. Foreign load is the time that these CPUs were busy, less what the command itself used, in
# cores; /proc/stat counts in hundredths of a second, so runs below half a second say little about it. Before the
# first command the CPUs are given up to settle_s to become idle.
# Keys of a command: "busy": N, another process turns N of the CPUs' last ones meanwhile; "resident": samples the
# resident memory, and the median of the last quarter of the run is kept; "remove": a file that goes first.
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

TICK = os.sysconf("SC_CLK_TCK")
SAMPLE_S = 0.002
WINDOW_S = 0.3
OUTPUT_MAX = 1 << 20


def busy_s(cpus):
    """Seconds that the CPUs have been busy, time stolen by the host included."""
    total = 0
    for line in pathlib.Path("/proc/stat").read_text().splitlines():
        name, *ticks = line.split()
        if name.startswith("cpu") and name[3:] and int(name[3:]) in cpus:
            t = [int(x) for x in ticks]
            total += sum(t[:3]) + sum(t[5:8])
    return total / TICK


def cpu_s(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def resident_bytes(pid):
    try:
        return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def settle(cpus, at_most_s):
    """Waits until the CPUs are idle: compilers end what they have begun."""
    end = time.monotonic() + at_most_s
    while time.monotonic() < end:
        before = busy_s(cpus)
        time.sleep(WINDOW_S)
        if busy_s(cpus) - before <= 0.05 * WINDOW_S + 1 / TICK:
            return


def turn(cpu):
    """A process that keeps a CPU busy."""
    pid = os.fork()
    if pid == 0:
        os.sched_setaffinity(0, {cpu})
        while True:
            pass
    return pid


def wait(process, sample):
    """The process's usage, and samples of its resident memory."""
    samples = []
    while True:
        done, status, usage = os.wait4(process.pid, os.WNOHANG if sample else 0)
        if done:
            process.returncode = os.waitstatus_to_exitcode(status)
            return usage, samples
        samples.append(resident_bytes(process.pid))
        time.sleep(SAMPLE_S)


def run(command, cpus):
    if "remove" in command:
        pathlib.Path(command["remove"]).unlink(missing_ok=True)
    turning = [turn(cpu) for cpu in sorted(cpus)[len(cpus) - command.get("busy", 0):]]
    own, before, begin = time.process_time(), busy_s(cpus), time.monotonic()
    turned = sum(cpu_s(pid) for pid in turning)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        with subprocess.Popen(command["argv"], stdout=out, stderr=err, stdin=subprocess.DEVNULL,
                              env={**os.environ, **command.get("env", {})}) as process:
            usage, samples = wait(process, command.get("resident"))
        wall = time.monotonic() - begin
        used = usage.ru_utime + usage.ru_stime + sum(cpu_s(pid) for pid in turning) - turned
        foreign = busy_s(cpus) - before - used - (time.process_time() - own)
        for pid in turning:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
        texts = []
        for f in (out, err):
            f.seek(0)
            texts.append(f.read(OUTPUT_MAX).decode(errors="replace"))
    # Of a run too short for this, the most: its first sample is from before exec, its last from while it ends.
    last = samples[len(samples) * 3 // 4:] if len(samples) >= 16 else [max(samples, default=0)]
    return {"rc": process.returncode, "stdout": texts[0], "stderr": texts[1][-2000:], "wall_s": wall,
            "foreign": max(0.0, foreign) / wall, "peak_bytes": usage.ru_maxrss * 1024,
            "resident_bytes": statistics.median(last)}


def main():
    spec = json.loads(pathlib.Path(sys.argv[1]).read_text())
    cpus = set(spec["cpus"])
    os.sched_setaffinity(0, cpus)
    settle(cpus, spec["settle_s"])
    json.dump([run(command, cpus) for command in spec["commands"]], sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
