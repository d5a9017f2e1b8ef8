#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs and builds what the benchmark of bad days needs, then runs it with the arguments given, as resilience.py --help
# tells them.
set -euo pipefail

cd "$(dirname "$0")/../.."
cmake/setup.sh build bench
cmake/build.sh release nodeway bench_pod bench_load
NODEWAY_BENCH_ENVOY=$(tests/bench/envoy.sh)
export NODEWAY_BENCH_ENVOY
# The distribution's own Python: its packages (matplotlib) are not seen by another one that may come first in PATH.
exec /usr/bin/python3 -B tests/bench/resilience.py "$@"
