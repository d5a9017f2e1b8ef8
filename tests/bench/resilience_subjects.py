# SPDX-License-Identifier: Apache-2.0
"""nodeway and its peers in front of pods that have bad days, each as somebody who knows it would set it up for gRPC.

What each offers against slow, failing, frozen and vanished servers is on, as long as it never repeats a call that may have
been worked on: nobody has said that these calls may be repeated. `cart.bench` goes to the pods, `other.bench` to a
service of its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from backends import Server
from bed import HOST, Bed, program
from envoy import Cluster, start_envoy
from pods import Pod
from subjects import Nodeway, start_nodeway, started, written

CART, OTHER = "cart.bench", "other.bench"

NGINX = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log crit;
worker_rlimit_nofile 16384;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  client_body_temp_path {folder}/nginx-body;
  proxy_temp_path {folder}/nginx-proxy;
  fastcgi_temp_path {folder}/nginx-fastcgi;
  scgi_temp_path {folder}/nginx-scgi;
  uwsgi_temp_path {folder}/nginx-uwsgi;
  grpc_connect_timeout 1s;
  grpc_next_upstream error timeout;
  upstream cart {{
    least_conn;
    {cart}
    keepalive 512;
    keepalive_requests 1000000000;
  }}
  upstream other {{
    server {other};
    keepalive 512;
    keepalive_requests 1000000000;
  }}
  server {{
    listen {host}:{port} http2;
    keepalive_requests 1000000000;
    http2_max_concurrent_streams 1000;
    server_name cart.bench;
    location / {{ grpc_pass grpc://cart; }}
  }}
  server {{
    listen {host}:{port} http2;
    server_name other.bench;
    location / {{ grpc_pass grpc://other; }}
  }}
}}
"""

HAPROXY = """\
global
  nbthread 1
  maxconn 4096
  tune.h2.max-concurrent-streams 1000
defaults
  mode http
  timeout connect 1s
  timeout client 60s
  timeout server 60s
  retries 3
  option redispatch 1
  retry-on conn-failure
frontend calls
  bind {host}:{port} proto h2
  use_backend other if {{ req.hdr(host) -i other.bench }}
  default_backend cart
backend cart
  balance {balance}
  http-reuse always
  default-server proto h2 check inter 1s fall 2 rise 1 observe layer7 error-limit 5 on-error mark-down slowstart 10s
  {cart}
backend other
  http-reuse always
  server other {other} proto h2
"""


def nodeway(policy: str) -> Callable[[Bed, Sequence[Pod], Server], Server]:
    def start(bed: Bed, pods: Sequence[Pod], other: Server) -> Server:
        config = written(bed, f"nodeway-{policy}.yaml", json.dumps(
            {"version": 1, "services": {CART: {"balancer": {"policy": policy}}}}))
        ports = {"cart": [pod.port for pod in pods], "other": [other.port]}
        return start_nodeway(bed, ports, ["--config", str(config), "--listen", "[::1]:0"])
    return start


def neighbours_target(server: Server) -> str:
    """Where a neighbour of the calls' caller dials. nodeway tells callers apart by their addresses, so it has one of its
    own; to the others all callers are alike.
    """
    if isinstance(server, Nodeway):
        return str(server.process.await_line("ready")["listen"][1])
    return server.address


def haproxy(balance: str) -> Callable[[Bed, Sequence[Pod], Server], Server]:
    def start(bed: Bed, pods: Sequence[Pod], other: Server) -> Server:
        port = bed.free_port()
        cart = "\n  ".join(f"server {pod.name} {pod.address}" for pod in pods)
        config = written(bed, f"haproxy-{balance}.cfg", HAPROXY.format(
            host=HOST, port=port, balance=balance, cart=cart, other=other.address))
        return started(bed, port, [program("haproxy"), "-db", "-f", config])
    return start


def nghttpx(bed: Bed, pods: Sequence[Pod], other: Server) -> Server:
    port = bed.free_port()
    return started(bed, port, [
        program("nghttpx"), "--conf=/dev/null", "--single-process", "--workers=1", "--no-ocsp",
        f"--frontend={HOST},{port};no-tls",
        *(f"--backend={HOST},{pod.port};{CART}/;proto=h2;fall=2;rise=1" for pod in pods),
        f"--backend={HOST},{other.port};{OTHER}/;proto=h2", f"--backend={HOST},{other.port};;proto=h2",
        "--backend-connect-timeout=1", "--frontend-http2-max-concurrent-streams=1000", "--accesslog-file=/dev/null",
        f"--errorlog-file={bed.folder}/nghttpx.log", "--log-level=FATAL"])


def nginx(bed: Bed, pods: Sequence[Pod], other: Server) -> Server:
    port = bed.free_port()
    cart = "\n    ".join(f"server {pod.address} max_fails=3 fail_timeout=5s;" for pod in pods)
    config = written(bed, "nginx-days.conf", NGINX.format(
        host=HOST, port=port, folder=bed.folder, cart=cart, other=other.address))
    return started(bed, port, [program("nginx"), "-c", config, "-e", bed.folder / "nginx.log"])


def envoy(bed: Bed, pods: Sequence[Pod], other: Server) -> Server:
    return start_envoy(bed, [
        Cluster("cart", CART, [pod.port for pod in pods], {
            "lb_policy": "LEAST_REQUEST",
            "outlier_detection": {"consecutive_5xx": 5, "interval": "1s", "base_ejection_time": "1s",
                                  "max_ejection_percent": 50}}),
        Cluster("other", OTHER, [other.port])])


@dataclass(frozen=True)
class Subject:
    """One row of each table."""

    name: str
    start: Callable[[Bed, Sequence[Pod], Server], Server]


NODEWAY = Subject("nodeway", nodeway("peak_ewma"))
ROUND_ROBIN = Subject("HAProxy, roundrobin", haproxy("roundrobin"))
SUBJECTS = (
    NODEWAY,
    Subject("Envoy, least_request", envoy),
    Subject("HAProxy, leastconn", haproxy("leastconn")),
    Subject("nghttpx", nghttpx),
    Subject("NGINX, least_conn", nginx),
    ROUND_ROBIN,
)
