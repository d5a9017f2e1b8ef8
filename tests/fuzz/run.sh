#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# run.sh SECONDS [TARGET…]: builds the fuzzers, and runs each for so long, one after the other. One line tells of each.
# Fails if one found something; the line then names the input that shows it, which the fuzzer takes as its argument.
#
# A fuzzer begins with its corpus and with what it has learnt before, which lies outside the tree
# ($NODEWAY_TEST_CACHE/fuzz): the corpus in the tree is not written to. With $NODEWAY_FUZZ_SEED it looks in the same places each
# time, so that what it finds is news of a change.
set -euo pipefail

cd "$(dirname "$0")/../.."
case "${1:-}" in
  '' | *[!0-9]*)
    echo "usage: tests/fuzz/run.sh SECONDS [TARGET…]" >&2
    exit 2
    ;;
esac
seconds=$1
shift
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
  mapfile -t targets < <(ls tests/fuzz/corpus)
fi

scratch=${NODEWAY_TEST_CACHE:-$HOME/.cache/nodeway}/fuzz
# Longer inputs find little that shorter ones do not, and slow the search down. What an input of that size makes a parser
# keep is far below the bound on memory; most of what a fuzzer needs is ASan's own.
bounds=(-max_len=4096 -rss_limit_mb=2048 -malloc_limit_mb=512 -timeout=10)

# figure LOG NAME: one of the statistics that libFuzzer prints at its end.
figure() { sed -n "s/^stat::$2: *//p" "$1" | tail -n 1; }

# fuzz TARGET: its line; false if it found something.
fuzz() {
  local target=$1 binary=build/fuzz/tests/fuzz/fuzz_$1 folder=$scratch/$1
  local log=$folder/log learnt=$folder/corpus found=$folder/found arguments=()
  if [ ! -x "$binary" ]; then
    echo "$target: there is no such fuzzer" >&2
    return 1
  fi
  mkdir -p "$learnt" "$found"
  [ ! -f "tests/fuzz/dictionaries/$target.dict" ] || arguments=("-dict=tests/fuzz/dictionaries/$target.dict")
  local result=clean status=0
  "$binary" "${bounds[@]}" "${arguments[@]}" -max_total_time="$seconds" -print_final_stats=1 \
    -seed="${NODEWAY_FUZZ_SEED:-0}" -artifact_prefix="$found/" "$learnt" "tests/fuzz/corpus/$target" >"$log" 2>&1 || status=$?
  if [ "$status" != 0 ]; then
    result="FAILED ($status): $(sed -n 's/^artifact_prefix=.*Test unit written to //p' "$log" | tail -n 1), told in $log"
  fi
  local coverage
  coverage=$(sed -n 's/^#[0-9].* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)
  printf '%-18s %9s executions (%s/s), %s edges covered, %s\n' "$target" "$(figure "$log" number_of_executed_units)" \
    "$(figure "$log" average_exec_per_sec)" "${coverage:-0}" "$result"
  [ "$result" = clean ]
}

cmake/setup.sh build test fuzz
cmake/build.sh fuzz
failed=0
for target in "${targets[@]}"; do
  fuzz "$target" || failed=1
done
exit $failed
