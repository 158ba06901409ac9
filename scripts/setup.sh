#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# scripts/setup.sh [PACKAGE...] - install the Debian packages that building and testing need; and those named; does
# nothing when they are there.
set -euo pipefail

packages=(gcc g++ cmake ninja-build pkg-config libyaml-dev libjansson-dev libutf8proc-dev libpcre2-dev libsodium-dev
  libxxhash-dev libcmocka-dev libdnnl-dev dwarves python3 python3-pip gzip "$@")

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
if [ "${#missing[@]}" -eq 0 ]; then
  echo "setup: all ${#packages[@]} packages are installed"
  exit 0
fi

run_as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "setup: failed: not root and no sudo; as root run: apt-get install ${missing[*]}" >&2
    exit 1
  fi
  run_as_root=(sudo env DEBIAN_FRONTEND=noninteractive)
fi

echo "setup: installing ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive
if ! { "${run_as_root[@]}" apt-get update -q && "${run_as_root[@]}" apt-get install -q -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
  tail -n 5 "$log" >&2
  echo "setup: failed: apt-get could not install ${missing[*]}" >&2
  exit 1
fi
