#!/usr/bin/env bash
# Installs what the tests need from Debian's packages, builds everything, runs every test through CTest.
# As root it installs by itself; otherwise the packages must be there.
set -euo pipefail
cd "$(dirname "$0")/.."

packaging/install-packages.sh build test

cmake --preset ci >/dev/null
cmake --build --preset ci
ctest --test-dir build/ci --output-on-failure --no-tests=error -j "$(($(nproc) * 2))"
