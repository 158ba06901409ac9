#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# scripts/test_neon.sh [--quick] [JUNIT-FOLDER] - cross-compile plugins/cpu for AArch64, and run its tests under
# qemu-user: on a CPU with the dot product (max) and on one of Armv8.0 without it (cortex-a72).
#
# --quick takes one weight format of a kind and leaves out the largest products. Emulation says whether numbers are
# right, never how fast they come.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "${1:-}" = --quick ]; then
  export COLLET_TEST_QUICK=1
  shift
fi
junit=$(realpath "${1:-build}")
sysroot=build/aarch64-sysroot

fail() {
  echo "test_neon: failed: $1" >&2
  exit 1
}

# cmocka for the target goes into a folder of its own: no second architecture is added to this system's packages.
fetch_cmocka() {
  local work log options
  work=$(mktemp -d)
  trap 'rm -rf "$work"' RETURN
  log=$work/log
  mkdir -p "$work/state/lists/partial" "$work/cache/archives/partial"
  options=(-q -o "Dir::State=$work/state" -o Dir::State::status=/dev/null -o "Dir::Cache=$work/cache"
    -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o APT::Sandbox::User=root)
  (cd "$work" && apt-get "${options[@]}" update && apt-get "${options[@]}" download libcmocka0 libcmocka-dev) \
    >"$log" 2>&1 || fail "apt-get could not download libcmocka-dev for arm64: $(tail -n 1 "$log")"
  rm -rf "$sysroot"
  mkdir -p "$sysroot"
  for package in "$work"/*.deb; do
    dpkg-deb -x "$package" "$sysroot"
  done
}

scripts/setup.sh gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user
[ -e "$sysroot/usr/lib/aarch64-linux-gnu/libcmocka.so" ] || fetch_cmocka

cmake --preset aarch64
cmake --build --preset aarch64
run=.
for cpu in max cortex-a72; do
  echo "test_neon: -cpu $cpu"
  log=build/aarch64/$cpu.log
  QEMU_CPU=$cpu ctest --preset aarch64 --no-tests=error -j 2 -R "$run" --output-junit "$junit/aarch64-$cpu.xml" \
    --test-output-size-passed 16000000 --test-output-size-failed 16000000 --verbose >"$log" 2>&1 || {
    grep -E 'FAILED|ERROR|LINE|tests passed' "$log" >&2 || tail -n 20 "$log" >&2
    fail "tests on $cpu: $log"
  }
  grep 'tests passed' "$log"
  run='isa|matmul|ops|attention' # what the level changes
  if [ "$cpu" = max ] && grep -q 'skipped:' "$log"; then
    grep 'skipped:' "$log" | sort | uniq -c >&2
    fail "a CPU that has everything skipped tests: $log"
  fi
done
