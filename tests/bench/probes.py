# SPDX-License-Identifier: Apache-2.0
"""Whether kubelet's probes are answered in time while clients of the admin port are stuck."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Iterator

from backends import start_backend
from bed import HOST, Bed, Failed
from frames import Client
from h2load import METHOD, percentile
from subjects import Nodeway, start_nodeway
from tables import markdown, number

STUCK = 64
UNREAD = 16  # of them; to more at a time /metrics answers 503, which is soon gone
SERVICES = 100  # enough for an answer of /metrics that no socket buffer takes
SMALL_SEGMENT = 536  # makes the kernel buffer little for a reader who does not read
PROBES = 100  # of each path in each round; the round must be over before the stuck ones are closed, 5 s
PATHS = ("/live", "/ready")


def report(bed: Bed, runs: int, _seconds: float) -> str:
    """With and without stuck clients in turn."""
    names = [f"echo{i}" for i in range(SERVICES)]
    backend = start_backend(bed)
    free: dict[str, list[float]] = {path: [] for path in PATHS}
    beset: dict[str, list[float]] = {path: [] for path in PATHS}
    with start_nodeway(bed, {name: [backend.port] for name in names}) as router:
        with Client(router.port) as client:
            for name in names:  # each makes its series of metrics
                client.await_reply(client.get(f"{name}.bench", f"/{METHOD}"))
        for run in range(1, runs + 1):
            print(f"limits: probes, run {run} of {runs}", flush=True)
            probe_all(router.admin_port(), free)
            with stuck_clients(router):
                probe_all(router.admin_port(), beset)
    return "### Probes beside clients of the admin port that are stuck\n\n" + render(free, beset)


def probe_all(port: int, times_ms: dict[str, list[float]]) -> None:
    for _ in range(PROBES):
        for path in PATHS:
            times_ms[path].append(probe(port, path))


def probe(port: int, path: str) -> float:
    """Milliseconds from the connection to the whole answer, which must be 200."""
    began_at = time.monotonic()
    with socket.create_connection((HOST, port), timeout=10) as peer:
        peer.sendall(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        answer = b""
        while part := peer.recv(65536):
            answer += part
    if not answer.startswith(b"HTTP/1.1 200 "):
        raise Failed(f"{path} answered {answer[:60]!r}")
    return (time.monotonic() - began_at) * 1000


@contextlib.contextmanager
def stuck_clients(router: Nodeway) -> Iterator[None]:
    """Some do not read the answer to their request, the others do not end it."""
    sockets_before = open_files(router)
    with contextlib.ExitStack() as stack:
        for i in range(STUCK):
            peer = stack.enter_context(socket.socket())
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SMALL_SEGMENT)
            peer.connect((HOST, router.admin_port()))
            peer.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\n" + (b"\r\n" if i < UNREAD else b"X-Unfini"))
        time.sleep(0.3)  # for the answers to be made and to fill the buffers
        stuck = open_files(router) - sockets_before
        if stuck < STUCK:
            raise Failed(f"only {stuck} of {STUCK} clients are stuck")
        yield


def open_files(router: Nodeway) -> int:
    """Sockets among them: the router closes one when its answer has gone."""
    return len(os.listdir(f"/proc/{router.process.pid}/fd"))


def render(free: dict[str, list[float]], beset: dict[str, list[float]]) -> str:
    rows = []
    for path in PATHS:
        for stuck, times in ((0, free[path]), (STUCK, beset[path])):
            ordered = sorted(times)
            rows.append([f"`{path}`, {stuck} stuck", str(len(ordered)),
                         *(number(percentile(ordered, percent)) for percent in (50, 99, 100))])
    return markdown(["", "probes", "median ms", "p99 ms", "slowest ms"], rows)
