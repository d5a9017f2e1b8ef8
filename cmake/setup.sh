#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what packages.txt lists for the sets named (build, test, lint), if any of it is missing.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
wanted=()
for set in "$@"; do
  mapfile -t names < <(sed -n "s/^$set //p" "$here/packages.txt")
  wanted+=("${names[@]}")
done

missing=()
for name in "${wanted[@]}"; do
  if ! dpkg-query -W -f '${Status}' "$name" 2>/dev/null | grep -q 'ok installed'; then
    missing+=("$name")
  fi
done
[ ${#missing[@]} -gt 0 ] || exit 0

if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
  echo "nodeway needs these packages, and only root on a system with apt can install them here: ${missing[*]}" >&2
  exit 1
fi
echo "installing ${#missing[@]} packages: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# The output is long and of interest only when it fails.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! apt-get install -y -qq --no-install-recommends "${missing[@]}" >"$log" 2>&1; then
  cat "$log" >&2
  exit 1
fi
