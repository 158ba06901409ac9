#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# scripts/demo.sh - from a fresh clone to streamed text: packages, build, demo model, one completion, what made it.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh
echo "demo: building (preset release)"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { cmake --preset release && cmake --build --preset release --target collet collet-scan collet_cpu; } >"$log" 2>&1; then
  tail -n 20 "$log" >&2
  echo "demo: failed: the build; its last lines are above" >&2
  exit 1
fi
scripts/fetch_models.sh smollm2

model=models/smollm2-135m-instruct-q4_1.gguf
prompt="The capital of France is"
echo
printf '%s' "$prompt"
build/release/bin/collet generate -m "$model" -p "$prompt" --max-tokens 48
echo
build/release/bin/collet explain -m "$model" --brief
