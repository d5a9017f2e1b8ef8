# SPDX-License-Identifier: Apache-2.0
"""The servers behind the proxies: nghttpd of nghttp2, which answers every call with a message and gRPC's trailer; and
NGINX for HTTP/1.1.
"""

from __future__ import annotations

import struct
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import h2load
from bed import HOST, Bed, Process, humble, program

MESSAGE_PREFIX_BYTES = 5  # of gRPC: whether it is compressed, and its length

NGINX = """\
daemon off;
master_process off;
pid {folder}/nginx-{port}.pid;
error_log {folder}/nginx-{port}.log error;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {folder}/nginx-{port}-body;
  proxy_temp_path {folder}/nginx-{port}-proxy;
  fastcgi_temp_path {folder}/nginx-{port}-fastcgi;
  scgi_temp_path {folder}/nginx-{port}-scgi;
  uwsgi_temp_path {folder}/nginx-{port}-uwsgi;
  server {{
    listen {host}:{port};
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
    location / {{ return 200 "{reply}"; }}
  }}
}}
"""


@dataclass(frozen=True)
class Server:
    """A process, and where it listens. Ends with the block that it is used in."""

    process: Process
    port: int

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stop()

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"


def documents(bed: Bed) -> Path:
    """What the backends serve; the path of a call is a file's."""
    folder = bed.folder / "documents"
    reply = folder / h2load.METHOD
    reply.parent.mkdir(parents=True, exist_ok=True)
    reply.write_bytes(h2load.REPLY)
    return folder


def add_filler(bed: Bed, size: int) -> str:
    """The path of a document of so many bytes, all of them one message of gRPC; takes no room on the disk, being a
    hole. Made once: a new one would have to be brought into memory again."""
    path = documents(bed) / f"filler-{size}"
    if not path.exists():
        with path.open("wb") as file:
            # Without it the zeros would be an empty message every five bytes, which nobody sends.
            file.write(struct.pack(">BI", 0, size - MESSAGE_PREFIX_BYTES))
            file.truncate(size)
    return f"/filler-{size}"


def start_backend(bed: Bed, *, is_measured: bool = False, is_humble: bool = False, streams: int = 100) -> Server:
    """On the CPUs of the load, or in the place of a proxy. Takes so many streams on each connection."""
    port = bed.free_port()
    command = [program("nghttpd"), "--no-tls", f"--address={HOST}", f"--htdocs={documents(bed)}",
               f"--max-concurrent-streams={streams}", "--trailer=grpc-status: 0", str(port)]
    process = bed.start("nghttpd", humble(command) if is_humble else command, is_measured=is_measured)
    process.await_port(port)
    return Server(process, port)


def start_endpoint(bed: Bed, script: str) -> Server:
    """One of ours in Python, which does what nghttpd cannot."""
    process = bed.start("endpoint", [sys.executable, Path(__file__).with_name(script)])
    return Server(process, process.await_line("listening")["port"])


def start_http1_backend(bed: Bed, *, is_measured: bool = False) -> Server:
    """Answers everything with as many bytes as the other does, and keeps all connections."""
    port = bed.free_port()
    config = bed.folder / f"backend-{port}.conf"
    config.write_text(NGINX.format(host=HOST, port=port, folder=bed.folder, reply="x" * len(h2load.REPLY)))
    process = bed.start("backend", [program("nginx"), "-c", config, "-e", bed.folder / f"nginx-{port}.log"],
                        is_measured=is_measured)
    process.await_port(port)
    return Server(process, port)
