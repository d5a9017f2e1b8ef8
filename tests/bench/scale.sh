#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs and builds what the benchmark of a large cluster needs, then runs it in the sandbox of the cluster tests with
# the arguments given, as scale.py --help tells them.
set -euo pipefail

cd "$(dirname "$0")/../.."
cmake/setup.sh build test bench
cmake/build.sh release nodeway
PYTHONDONTWRITEBYTECODE=1 exec tests/cluster/run.sh --sandbox tests/bench/scale.py "$@"
