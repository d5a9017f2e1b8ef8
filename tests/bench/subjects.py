# SPDX-License-Identifier: Apache-2.0
"""What is measured: nodeway, its peers as somebody who knows them would set them up for gRPC or for HTTP/1.1, and no
proxy at all.

Each is one process with one worker, so that the kernel's figures of it are all there is; a master process would do
nothing but wait. None writes an access log, none has TLS, none is short of connections or streams.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from backends import Server, start_backend, start_http1_backend
from bed import HOST, Bed, program
from envoy import Cluster, start_envoy

NGINX = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log error;
worker_rlimit_nofile 16384;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  client_body_temp_path {folder}/nginx-body;
  proxy_temp_path {folder}/nginx-proxy;
  fastcgi_temp_path {folder}/nginx-fastcgi;
  scgi_temp_path {folder}/nginx-scgi;
  uwsgi_temp_path {folder}/nginx-uwsgi;
  upstream echo {{
    {servers}
    # It sends one request at a time over a connection, so it needs as many as there are streams.
    keepalive 2048;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
  }}
  server {{
    listen {host}:{port}{listen_option};
    # By default a client's connection is closed after 1,000 requests.
    keepalive_requests 1000000000;
    http2_max_concurrent_streams 1000;
    location / {{ {passed} }}
  }}
}}
"""
NGINX_GRPC = "grpc_pass grpc://echo;"
NGINX_HTTP1 = """proxy_pass http://echo;
      proxy_http_version 1.1;
      # Or it closes the connection to the server after each request.
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;"""

HAPROXY = """\
global
  nbthread 1
  maxconn 4096
  tune.h2.max-concurrent-streams 1000
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend calls
  bind {host}:{port} {protocol}
  default_backend echo
backend echo
  balance roundrobin
  # Calls of one client may share a connection with those of another, as they do in the others.
  http-reuse always
  {servers}
"""

SERVICE = """\
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: bench}}
spec:
  selector: {{app: {name}}}
  ports:
  - {{name: {protocol}, port: 80, protocol: TCP}}
"""

SLICE = """\
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: {name}-{port}
  namespace: bench
  labels: {{kubernetes.io/service-name: {name}}}
addressType: IPv4
ports:
- {{name: {protocol}, port: {port}, protocol: TCP}}
endpoints:
- addresses: ["127.0.0.1"]
"""


class Nodeway(Server):
    """The router, with what it says of itself."""

    def admin_port(self) -> int:
        return int(self.process.await_line("ready")["admin"].rpartition(":")[2])

    def get(self, path: str) -> str:
        url = f"http://{HOST}:{self.admin_port()}{path}"
        with urllib.request.urlopen(url, timeout=10) as reply:
            return reply.read().decode()

    def endpoint_requests(self) -> dict[str, int]:
        """By address, since the start."""
        rows = json.loads(self.get("/api/v1/endpoints"))["rows"]
        return {row["address"]: row["requests"] for row in rows}

    def metric(self, name: str, **labels: str) -> float:
        """Sum over the series of that name which have these labels."""
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        lines = (line for line in self.get("/metrics").splitlines() if line.startswith((f"{name}{{", f"{name} ")))
        return sum(float(line.rpartition(" ")[2]) for line in lines if all(label in line for label in wanted))


def start_nodeway(bed: Bed, services: dict[str, Sequence[int]], flags: Sequence[str] = (), *, workers: int = 1,
                  is_http1: bool = False) -> Nodeway:
    """With Services of namespace `bench` by name, each with the ports of its endpoints."""
    folder = bed.folder / f"cluster-{bed.free_port()}"
    folder.mkdir()
    protocol = "http" if is_http1 else "grpc"
    for name, ports in services.items():
        slices = (SLICE.format(name=name, port=port, protocol=protocol) for port in ports)
        (folder / f"{name}.yaml").write_text(SERVICE.format(name=name, protocol=protocol) + "".join(slices))
    process = bed.start(
        "nodeway",
        [bed.binary("router/nodeway"), "run", "--source", f"files:{folder}", "--workers", str(workers),
         "--listen", f"{HOST}:0", "--admin", f"{HOST}:0", "--log-level", "warning", *flags],
        is_measured=True)
    ready = process.await_line("ready")
    return Nodeway(process, int(ready["listen"][0].rpartition(":")[2]))


def nodeway(bed: Bed, backends: Sequence[Server], *, is_http1: bool = False) -> Server:
    return start_nodeway(bed, {"echo": [backend.port for backend in backends]}, is_http1=is_http1)


def nghttpx(bed: Bed, backends: Sequence[Server], *, is_http1: bool = False) -> Server:
    port = bed.free_port()
    protocol = "http/1.1" if is_http1 else "h2"
    return started(bed, port, [
        program("nghttpx"), "--conf=/dev/null", "--single-process", "--workers=1", "--no-ocsp",
        f"--frontend={HOST},{port};no-tls",
        *(f"--backend={HOST},{backend.port};;proto={protocol}" for backend in backends),
        "--frontend-http2-max-concurrent-streams=1000", "--accesslog-file=/dev/null",
        f"--errorlog-file={bed.folder}/nghttpx.log", "--log-level=ERROR"])


def haproxy(bed: Bed, backends: Sequence[Server], *, is_http1: bool = False) -> Server:
    port = bed.free_port()
    protocol = "proto h1" if is_http1 else "proto h2"
    servers = (f"server echo{backend.port} {backend.address} {protocol}" for backend in backends)
    config = written(bed, "haproxy.cfg", HAPROXY.format(
        host=HOST, port=port, protocol=protocol, servers="\n  ".join(servers)))
    return started(bed, port, [program("haproxy"), "-db", "-f", config])


def nginx(bed: Bed, backends: Sequence[Server], *, is_http1: bool = False) -> Server:
    port = bed.free_port()
    servers = "\n    ".join(f"server {backend.address};" for backend in backends)
    config = written(bed, "nginx.conf", NGINX.format(
        host=HOST, port=port, servers=servers, folder=bed.folder, listen_option="" if is_http1 else " http2",
        passed=NGINX_HTTP1 if is_http1 else NGINX_GRPC))
    return started(bed, port, [program("nginx"), "-c", config, "-e", bed.folder / "nginx.log"])


def envoy(bed: Bed, backends: Sequence[Server], *, is_http1: bool = False) -> Server:
    return start_envoy(bed, [Cluster("echo", "*", [backend.port for backend in backends])], is_http1=is_http1)


def server_alone(bed: Bed, _backends: Sequence[Server], *, is_http1: bool = False) -> Server:
    return start_http1_backend(bed, is_measured=True) if is_http1 else start_backend(bed, is_measured=True)


def written(bed: Bed, name: str, text: str) -> Path:
    path = bed.folder / name
    path.write_text(text)
    return path


def started(bed: Bed, port: int, argv: Sequence[str | Path]) -> Server:
    process = bed.start(Path(argv[0]).name, argv, is_measured=True)
    process.await_port(port)
    return Server(process, port)


class Start(Protocol):
    """Starts a subject in front of backends that speak gRPC, or else HTTP/1.1."""

    def __call__(self, bed: Bed, backends: Sequence[Server], /, *, is_http1: bool = False) -> Server: ...


@dataclass(frozen=True)
class Subject:
    """One row of the tables."""

    name: str
    start: Start
    is_peer: bool = False  # that nodeway is compared with


NODEWAY = Subject("nodeway", nodeway)
ALONE = Subject("server alone", server_alone)
SUBJECTS = (
    NODEWAY,
    Subject("nghttpx", nghttpx, is_peer=True),
    Subject("HAProxy", haproxy, is_peer=True),
    Subject("NGINX", nginx, is_peer=True),
    Subject("Envoy", envoy, is_peer=True),
    ALONE,
)
PROXIES = tuple(subject for subject in SUBJECTS if subject is NODEWAY or subject.is_peer)
