# SPDX-License-Identifier: Apache-2.0
"""The servers behind the proxies: nghttpd of nghttp2, which answers every call with a message and gRPC's trailer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import h2load
from bed import HOST, Bed, Process, humble, program


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


def start_backend(bed: Bed, *, is_measured: bool = False, is_humble: bool = False) -> Server:
    """On the CPUs of the load, or in the place of a proxy."""
    port = bed.free_port()
    command = [program("nghttpd"), "--no-tls", f"--address={HOST}", f"--htdocs={documents(bed)}",
               "--trailer=grpc-status: 0", str(port)]
    process = bed.start("nghttpd", humble(command) if is_humble else command, is_measured=is_measured)
    process.await_port(port)
    return Server(process, port)
