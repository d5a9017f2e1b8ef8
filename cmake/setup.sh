#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what packages.txt lists for the sets named (build, test, lint, fuzz, coverage, bench), if any of it is missing.
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
# Some packages would start a server at once (101: not allowed, for Debian's invoke-rc.d and deb-systemd-invoke), and at
# each boot.
enabled_units() {
  systemctl list-unit-files --type=service --state=enabled --no-legend 2>/dev/null | cut -d ' ' -f 1 | sort || true
}
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$log" "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
fi
enabled_before=$(enabled_units)
if ! apt-get install -y -qq --no-install-recommends "${missing[@]}" >"$log" 2>&1; then
  cat "$log" >&2
  exit 1
fi
comm -13 <(echo "$enabled_before") <(enabled_units) | xargs -r systemctl --quiet disable || true
