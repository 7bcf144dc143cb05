#!/usr/bin/env bash
# clang-tidy over the sources that differ from a revision (default: all). usage: packaging/tidy.sh [REVISION]
set -euo pipefail
cd "$(dirname "$0")/.."
[ -f build/dev/compile_commands.json ] || cmake --preset dev >/dev/null
if [ $# -gt 0 ]; then
  mapfile -t sources < <(git diff --name-only --diff-filter=d "$1" -- 'src/*.cpp')
else
  mapfile -t sources < <(git ls-files 'src/*.cpp')
fi
[ ${#sources[@]} -eq 0 ] && exit 0
printf '%s\n' "${sources[@]}" | xargs -P "$(nproc)" -n 4 clang-tidy --quiet -p build/dev
