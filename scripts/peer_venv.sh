#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# scripts/peer_venv.sh - a Python environment with llama.cpp, for tests/peer: build/peer-venv, about 10 minutes once.
#
# llama-cpp-python is built from its source package; libraries of a llama.cpp of the same age that is built already save
# that:
#     COLLET_LLAMA_LIBS=/path/to/llama.cpp/build/bin scripts/peer_venv.sh
set -eu

version=0.3.36
cd "$(dirname "$0")/.."
venv=build/peer-venv

python3 -m venv "$venv"
"$venv/bin/pip" install --quiet gguf==0.19.0 numpy
if [ -n "${COLLET_LLAMA_LIBS:-}" ]; then
    [ -e "$COLLET_LLAMA_LIBS/libllama.so" ] || { echo "peer_venv: no libllama.so in $COLLET_LLAMA_LIBS" >&2; exit 1; }
    CMAKE_ARGS=-DLLAMA_BUILD=OFF "$venv/bin/pip" install --quiet --no-binary llama-cpp-python "llama-cpp-python==$version"
    echo "$COLLET_LLAMA_LIBS" > "$venv/llama-libs"
else
    rm -f "$venv/llama-libs"
    "$venv/bin/pip" install --no-binary llama-cpp-python "llama-cpp-python==$version"
fi
echo "ctest --preset release -R test_llama_loads"
