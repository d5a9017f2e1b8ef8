#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds for counting, runs the unit tests, and prints how many lines of each folder were reached: by the corpora of the
# fuzzers alone, and by all unit tests together.
set -euo pipefail

cd "$(dirname "$0")/.."
cmake/setup.sh build test fuzz
cmake/build.sh coverage

profiles=$(mktemp -d)
trap 'rm -rf "$profiles"' EXIT
cd build/coverage
for part in corpora all; do
  chosen=(-L unit)
  [ "$part" = all ] || chosen+=(-R '^fuzz_')
  LLVM_PROFILE_FILE=$profiles/$part-%p.profraw ctest --output-on-failure -j"$(nproc)" "${chosen[@]}" >"$profiles/log" ||
    { cat "$profiles/log" >&2; exit 1; }
  llvm-profdata-16 merge -o "$profiles/$part" "$profiles/$part"-*.profraw
  binaries=()
  while IFS= read -r binary; do
    binaries+=(-object "$binary")
  done < <(find tests -type f -perm -u+x \( -name '*_tests' -o -name 'fuzz_*' \))
  llvm-cov-16 export -summary-only -instr-profile "$profiles/$part" "${binaries[@]:1}" >"$profiles/$part.json" 2>/dev/null
done
python3 -B ../../tests/coverage.py "$profiles/corpora.json" "$profiles/all.json"
