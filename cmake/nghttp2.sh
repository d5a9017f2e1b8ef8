#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds nghttp2 from the source of the distribution's own package, as a static library for the release build, whose
# link-time optimisation then reaches into it (docs/adr/0007-release-build.md). Once for each version; needs no root.
set -euo pipefail

cd "$(dirname "$0")/.."
prefix=$PWD/build/nghttp2
version=$(dpkg-query -W -f '${source:Version}' libnghttp2-dev)
# What is in the library: this source, and code of this compiler for its own link-time optimisation, built in this way.
stamp="$version $(cc -dumpfullversion) $(sha256sum <cmake/nghttp2.sh)"
[ "$(cat "$prefix/stamp" 2>/dev/null)" != "$stamp" ] || exit 0

echo "building nghttp2 $version for the release build (apt fetches some 10 MB; half a minute)"
work=$(mktemp -d)
log=$work/log
trap 'rm -rf "$work"' EXIT
# The same places that packages come from, asked for sources: in lists of our own, as the system need not have any.
mkdir -p "$work"/{parts,lists/partial,cache/archives/partial}
apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' | sort -u |
  sed 's/^/deb-src /' >"$work/sources.list"
apt=(apt-get -qq -o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts="$work/parts"
  -o Dir::State::Lists="$work/lists" -o Dir::Cache="$work/cache" -o APT::Sandbox::User="$(id -un)")
{
  "${apt[@]}" update && cd "$work" && "${apt[@]}" source "nghttp2=$version" && cd -
} >"$log" 2>&1 || {
  cat "$log" >&2
  echo "no source of nghttp2 $version to be had by apt (if it is outdated: apt-get install --only-upgrade libnghttp2-dev):" \
    "the release build links the shared library, which costs some 15 % more instructions per request" >&2
  rm -rf "$prefix"
  exit 0
}
{
  cmake -S "$work"/nghttp2-*/ -B "$work/build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX="$prefix" \
    -DCMAKE_INSTALL_LIBDIR=lib -DCMAKE_POLICY_DEFAULT_CMP0069=NEW -DCMAKE_INTERPROCEDURAL_OPTIMIZATION=ON \
    -DCMAKE_POSITION_INDEPENDENT_CODE=ON -DENABLE_LIB_ONLY=ON -DENABLE_STATIC_LIB=ON -DENABLE_SHARED_LIB=OFF &&
    cmake --build "$work/build" --target install
} >"$log" 2>&1 || {
  cat "$log" >&2
  echo "nghttp2 $version could not be built: see above" >&2
  exit 1
}
echo "$stamp" >"$prefix/stamp"
