#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs and builds what the benchmark needs, then runs it with the arguments given, as bench.py --help tells them.
set -euo pipefail

cd "$(dirname "$0")/../.."
cmake/setup.sh build bench
cmake/build.sh release nodeway nodeway-calculator bench_pick
NODEWAY_BENCH_ENVOY=$(tests/bench/envoy.sh)
export NODEWAY_BENCH_ENVOY
exec python3 -B tests/bench/bench.py "$@"
