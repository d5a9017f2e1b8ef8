#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Fetches the source of the distribution's own nghttp2 package into build/nghttp2, which the release build compiles into
# itself (docs/adr/0007-release-build.md). Once for each version; needs no root.
set -euo pipefail

cd "$(dirname "$0")/.."
source=$PWD/build/nghttp2
version=$(dpkg-query -W -f '${source:Version}' libnghttp2-dev)
[ "$(cat "$source/stamp" 2>/dev/null)" != "$version" ] || exit 0

echo "fetching the source of nghttp2 $version for the release build (some 10 MB)"
work=$(mktemp -d)
log=$work/log
trap 'rm -rf "$work"' EXIT
# The same places that packages come from, asked for sources: in lists of our own, as the system need not have any.
mkdir -p "$work"/{parts,lists/partial,cache/archives/partial}
apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' | sort -u |
  sed 's/^/deb-src /' >"$work/sources.list"
apt=(apt-get -qq -o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts="$work/parts"
  -o Dir::State::Lists="$work/lists" -o Dir::Cache="$work/cache" -o APT::Sandbox::User="$(id -un)")
rm -rf "$source"
{
  "${apt[@]}" update && cd "$work" && "${apt[@]}" source "nghttp2=$version" && cd -
} >"$log" 2>&1 || {
  cat "$log" >&2
  echo "no source of nghttp2 $version to be had by apt (if it is outdated: apt-get install --only-upgrade libnghttp2-dev):" \
    "the release build links the shared library, which costs some 15 % more instructions per request" >&2
  exit 0
}
mkdir -p "$source"
cp "$work"/nghttp2-*/lib/*.[ch] "$source"
echo "$version" >"$source/stamp"
