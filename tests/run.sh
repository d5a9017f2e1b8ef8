#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the project's checks and tests: run.sh test | unit | tsan | long | coverage | lint. See docs/testing.md.
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

# Sources that differ from TIDY_BASE, or that include a header that does: by default since the branch left origin/main,
# and on main itself in the last commit.
changed_sources() {
  local base=${TIDY_BASE:-$(git merge-base HEAD origin/main 2>/dev/null || true)} header
  if [ -z "$base" ] || [ "$base" = "$(git rev-parse HEAD)" ]; then
    base=$(git rev-parse -q --verify HEAD~1 || git hash-object -t tree /dev/null)
  fi
  git diff --name-only --diff-filter=d "$base" -- '*.cpp'
  git diff --name-only --diff-filter=d "$base" -- '*.hpp' | while read -r header; do
    git grep -lF "#include \"$header\"" -- '*.cpp' || true
  done
}

# What the cluster tests need, said before an hour of building.
require_root() {
  [ "$(id -u)" = 0 ] && unshare --net --mount --pid --fork true 2>/dev/null && return
  echo "make test needs root that may make namespaces: the nodes and pods of its cluster tests are network namespaces" >&2
  echo "(make test-unit does not)" >&2
  exit 1
}

# run_ctest PRESET ARGUMENTS…: tests run side by side, but for those that measure. Also fails if a test was skipped that is not in the list of exceptions.
run_ctest() {
  local preset=$1
  shift
  ctest --test-dir "build/$preset" -j "$(nproc)" --output-on-failure --output-junit "$PWD/build/$preset/junit.xml" --no-tests=error "$@"
  python3 tests/check_skips.py "build/$preset/junit.xml" tests/skips.txt
}

test_unit() {
  step "unit tests"
  local unit_began=$SECONDS
  run_ctest dev -L unit
  # Told, not judged: other work on the machine is no fault of theirs.
  echo "the unit tests took $((SECONDS - unit_began)) s; on a quiet machine they stay below 10 s"
}

# What the product promises in figures, held against the binary that users run; and the demo as they run it.
test_release() {
  step "building the release"
  cmake/build.sh release nodeway nodeway-calculator
  step "promises in figures, with the release"
  NODEWAY_BINARY=$PWD/build/release/router/nodeway build/dev/tests/integration/integration_tests "[promise]"
  step "the demo"
  build/release/router/nodeway demo --duration 15s
}

test_all() {
  require_root
  cmake/setup.sh build test lint
  start_binaries
  check_format
  step "building with ASan and UBSan"
  cmake/build.sh dev
  step "clang-tidy on what changed"
  mapfile -t sources < <(changed_sources)
  tests/tidy.py build/dev "${sources[@]}"
  test_unit
  step "fuzzing, ten seconds each"
  NODEWAY_FUZZ_SEED=1 tests/fuzz/run.sh 10
  test_release
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
    test_unit
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
    step "every rule of Kubernetes broken on purpose"
    tests/mutations/run.py
    step "fuzzing, a minute each"
    tests/fuzz/run.sh 60
    ;;
  coverage)
    cmake/setup.sh build test coverage
    tests/coverage.py
    ;;
  lint)
    cmake/setup.sh build test lint
    check_format
    cmake/build.sh dev
    step "clang-tidy on the whole tree"
    mapfile -t sources < <(git ls-files '*.cpp')
    tests/tidy.py build/dev "${sources[@]}"
    ;;
  *)
    echo "usage: tests/run.sh test|unit|tsan|long|coverage|lint" >&2
    exit 2
    ;;
esac
step "done: all passed"
