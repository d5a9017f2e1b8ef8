#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Configures one preset if need be, and builds it (or only the targets named), showing progress.
set -euo pipefail

cd "$(dirname "$0")/.."
preset=$1
shift
if [ "$preset" = release ]; then
  cmake/nghttp2.sh
  cmake/profile.sh
  # Whether there is a source, and which profile, is found while configuring.
  for stamp in build/nghttp2/stamp build/profile/stamp; do
    [ "$stamp" -ot build/release/build.ninja ] || rm -f build/release/build.ninja
  done
fi
if [ ! -f "build/$preset/build.ninja" ]; then
  echo "configuring build/$preset"
  log=$(mktemp)
  trap 'rm -f "$log"' EXIT
  cmake --fresh --preset "$preset" >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
fi
echo "building build/$preset (the first time takes some minutes; ccache remembers)"
export NINJA_STATUS="[%f/%t %es] "
exec cmake --build --preset "$preset" ${1:+--target "$@"}
