#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the cluster tests, or a shell in their test bed. Makes its own venv and gets its own binaries; see README.md.
#
#   run.sh [PYTEST_ARGUMENT...]
#   run.sh --shell                     starts a bed and opens a shell in it; its exit ends all of it
#   run.sh --shell COMMAND [ARG...]    runs that in a bed instead
#   run.sh --sandbox FILE [ARG...]     runs a Python program in the sandbox and the venv, without a bed
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
cache=${NODEWAY_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/nodeway}

die() { echo "cluster tests: $*" >&2; exit 2; }

[ "$(uname -m)" = x86_64 ] || die "the test bed knows only x86_64"
missing=
while read -r tool package; do
  command -v "$tool" >/dev/null || missing+=" $package"
done <<END
ip iproute2
nft nftables
nsenter util-linux
openssl openssl
python3 python3
END
python3 -c 'import ensurepip' 2>/dev/null || missing+=" python3-venv"
[ -z "$missing" ] || die "needs these packages: apt-get install -y$missing"
[ "$(id -u)" = 0 ] || die "needs root: nodes and pods are network namespaces"
unshare --net --mount --pid --fork true 2>/dev/null || die "this root may not make namespaces (CAP_SYS_ADMIN)"

venv=$cache/venv-$(sha256sum "$here/requirements.txt" | cut -c1-12)
if [ ! -e "$venv/complete" ]; then
  mkdir -p "$cache"
  exec 8>"$cache/venv.lock"
  flock 8
  if [ ! -e "$venv/complete" ]; then
    echo "[cluster tests] making a venv in $venv" >&2
    python3 -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
    touch "$venv/complete"
  fi
  exec 8>&-
fi

NODEWAY_TEST_BINARIES=$("$here/binaries/build.sh")
export NODEWAY_TEST_BINARIES
NODEWAY_BUILD_DIR=$(realpath -m "${NODEWAY_BUILD_DIR:-$here/../../build/dev}")
export NODEWAY_BUILD_DIR
export PYTHONPATH=$here PYTHONDONTWRITEBYTECODE=1
if [ "${1:-}" = --sandbox ]; then
  shift
  NODEWAY_TEST_CACHE=$cache exec "$venv/bin/python" -m testbed.sandbox "$venv/bin/python" "$@"
fi
cd "$here"
if [ "${1:-}" = --shell ]; then
  shift
  interactive=()
  [ $# -gt 0 ] || interactive=(--interactive)
  exec "$venv/bin/python" -m testbed.sandbox "${interactive[@]}" "$venv/bin/python" -m testbed.shell "$@"
fi
exec "$venv/bin/python" -m testbed.sandbox "$venv/bin/python" -m pytest "$@"
