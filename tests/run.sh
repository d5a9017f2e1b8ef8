#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the project's checks and tests: run.sh test | unit | tsan | long | lint. See docs/testing.md.
set -euo pipefail

cd "$(dirname "$0")/.."
began=$SECONDS

step() { printf '\n== %s (%d s)\n' "$*" $((SECONDS - began)); }

# The Kubernetes binaries take ten minutes the first time, so their build begins first and runs beside ours.
start_binaries() {
  mkdir -p build
  echo "building the Kubernetes test binaries in the background, log in build/test-binaries.log"
  nice -n 19 tests/cluster/binaries/build.sh >build/test-binaries.log 2>&1 &
  binaries_pid=$!
}

await_binaries() {
  step "waiting for the Kubernetes test binaries"
  tail -n 1 build/test-binaries.log || true
  wait "$binaries_pid" || { cat build/test-binaries.log >&2; exit 1; }
}

check_format() {
  step "clang-format"
  git ls-files '*.cpp' '*.hpp' | xargs clang-format-16 --dry-run --Werror
}

# Sources that differ from TIDY_BASE: by default where the branch left origin/main, or else the last commit.
changed_sources() {
  local base=${TIDY_BASE:-$(git merge-base HEAD origin/main 2>/dev/null || true)}
  if [ -z "$base" ] || [ "$base" = "$(git rev-parse HEAD)" ]; then
    base=$(git rev-parse -q --verify HEAD~1 || git hash-object -t tree /dev/null)
  fi
  git diff --name-only --diff-filter=d "$base" -- '*.cpp'
}

# tidy FILE…: with the compile commands of the dev build; files that no target of it compiles are named and left out.
tidy() {
  local file known=()
  for file in "$@"; do
    if grep -qF "\"file\": \"$PWD/$file\"" build/dev/compile_commands.json; then
      known+=("$file")
    else
      echo "not compiled by the dev build, so not checked: $file"
    fi
  done
  [ ${#known[@]} -eq 0 ] ||
    printf '%s\n' "${known[@]}" | xargs -P "$(nproc)" -n 1 clang-tidy-16 --quiet -p build/dev
}

# run_ctest PRESET ARGUMENTS…: also fails if a test was skipped that is not in the list of exceptions.
run_ctest() {
  local preset=$1
  shift
  ctest --test-dir "build/$preset" --output-on-failure --output-junit "$PWD/build/$preset/junit.xml" --no-tests=error "$@"
  python3 tests/check_skips.py "build/$preset/junit.xml" tests/skips.txt
}

test_all() {
  cmake/setup.sh build test lint
  start_binaries
  check_format
  step "building with ASan and UBSan"
  cmake/build.sh dev
  step "clang-tidy on what changed"
  mapfile -t sources < <(changed_sources)
  tidy "${sources[@]}"
  step "unit tests"
  run_ctest dev -L unit
  await_binaries
  step "integration tests"
  run_ctest dev -L integration
  step "cluster tests"
  run_ctest dev -L cluster
  test_tsan
}

test_tsan() {
  step "building with TSan"
  cmake/build.sh tsan
  step "tests under TSan"
  run_ctest tsan -L 'unit|integration'
}

case "${1:-}" in
  test) test_all ;;
  unit)
    cmake/setup.sh build test
    cmake/build.sh dev
    run_ctest dev -L unit
    ;;
  tsan)
    cmake/setup.sh build test
    start_binaries
    await_binaries
    test_tsan
    ;;
  long)
    export NODEWAY_TEST_LONG=1
    test_all
    ;;
  lint)
    cmake/setup.sh build test lint
    check_format
    cmake/build.sh dev
    step "clang-tidy on the whole tree"
    mapfile -t sources < <(git ls-files '*.cpp')
    tidy "${sources[@]}"
    ;;
  *)
    echo "usage: tests/run.sh test|unit|tsan|long|lint" >&2
    exit 2
    ;;
esac
step "done: all passed"
