#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Records build/profile, by which the release build compiles the data plane (docs/adr/0007-release-build.md): builds an
# instrumented router and sends it, on loopback, what its users would. Again whenever the data plane has changed.
set -euo pipefail

cd "$(dirname "$0")/.."
profiles=$PWD/build/profile
# What a profile is of: these sources, this compiler, this load.
stamp=$({
  cc -dumpfullversion
  cat build/nghttp2/stamp cmake/profile.* CMakePresets.json
  find balancer router -name '*.?pp' -not -path 'router/admin/*' -not -path 'router/cli/*' -not -path 'router/control/*.cpp' |
    sort | xargs sha256sum
} 2>/dev/null | sha256sum | head -c 16)
[ "$(cat "$profiles/stamp" 2>/dev/null)" != "$stamp" ] || exit 0

echo "recording a profile for the release build: an instrumented build, and half a minute of load"
cmake/build.sh profiling
rm -rf "$profiles"

work=$(mktemp -d)
pids=()
end() {
  [ ${#pids[@]} = 0 ] || kill "${pids[@]}" 2>/dev/null || true
  wait
  rm -rf "$work"
}
trap end EXIT
# All of 127.0.0.0/8 is this machine, so that nobody else has these ports at an address of our own.
address=127.$(($$ >> 16 & 255)).$(($$ >> 8 & 255)).$(($$ & 255))
[ "$address" != 127.0.0.1 ] || address=127.1.0.1

# folder NAME PORT_NAME PORT…: a cluster whose Service profile.load has endpoints at these ports.
folder() {
  mkdir "$work/$1"
  cat >"$work/$1/service.yaml" <<EOF
apiVersion: v1
kind: Service
metadata: {name: profile, namespace: load}
spec:
  selector: {app: profile}
  ports: [{name: $2, port: 80, protocol: TCP}]
EOF
  local port
  for port in "${@:3}"; do
    cat >"$work/$1/$port.yaml" <<EOF
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: profile-$port, namespace: load, labels: {kubernetes.io/service-name: profile}}
addressType: IPv4
ports: [{name: $2, port: $port, protocol: TCP}]
endpoints: [{addresses: ["$address"]}]
EOF
  done
}

# start_router FOLDER PORT: with a process of its own, and ready.
start_router() {
  build/profiling/router/nodeway run --source "files:$work/$1" --workers 1 --listen "$address:$2" --admin "$address:$(($2 + 1))" \
    --log-format text --log-level warning >"$work/$1.log" 2>&1 &
  pids+=($!)
  local tries
  for tries in {1..200}; do
    grep -q ready "$work/$1.log" && return
    sleep 0.1
  done
  echo "the instrumented router is not ready:" >&2
  cat "$work/$1.log" >&2
  exit 1
}

# load PORT PATH ARGUMENTS…: every reply must be a success.
load() {
  h2load -H ':authority: profile.load' "${@:3}" "http://$address:$1$2" >"$work/h2load.log" 2>&1 &&
    grep -q ' 0 failed, 0 errored' "$work/h2load.log" || {
    echo "the load of the profile failed:" >&2
    cat "$work/h2load.log" >&2
    exit 1
  }
}

mkdir -p "$work/www/load.Profile"
head -c 12 /dev/zero >"$work/www/load.Profile/Small"
head -c 65536 /dev/zero >"$work/www/load.Profile/Large"
head -c 13 /dev/zero >"$work/small"
for port in 41401 41402 41403; do
  nghttpd --no-tls -a "$address" --trailer 'grpc-status: 0' -d "$work/www" -n1 "$port" >"$work/nghttpd.log" 2>&1 &
  pids+=($!)
done
folder http2 grpc 41401 41402 41403
start_router http2 41410
# An HTTP/1.1 endpoint is another router: it has both sides of that, too.
folder http1 http 41410
start_router http1 41420

grpc=(-H 'content-type: application/grpc' -H 'te: trailers')
load 41410 /load.Profile/Small -c1 -m1 -n2000 -d "$work/small" "${grpc[@]}"
load 41410 /load.Profile/Small -c10 -m10 -n30000 -d "$work/small" "${grpc[@]}"
load 41410 /load.Profile/Small -c50 -m20 -n30000 -d "$work/small" "${grpc[@]}"
load 41410 /load.Profile/Small -c200 -m1 -n30000 -d "$work/small" "${grpc[@]}"
load 41410 /load.Profile/Large -c10 -m1 -n1000 "${grpc[@]}"
load 41410 /load.Profile/Small -c10 -m1 -n1000 -d "$work/www/load.Profile/Large" "${grpc[@]}"
load 41420 /load.Profile/Small --h1 -c10 -n20000 -d "$work/small"
load 41420 /load.Profile/Large --h1 -c10 -n500

end  # a router writes what it has recorded as it ends
pids=()
trap - EXIT
# By a name of its own, so that all that was compiled by another one is compiled anew.
mv "$profiles/recording" "$profiles/$stamp"
echo "$stamp" >"$profiles/stamp"
