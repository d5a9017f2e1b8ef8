# SPDX-License-Identifier: Apache-2.0
"""Whether a stream that nobody reads slows the one beside it on the same two connections, either way."""

from __future__ import annotations

import time
from collections.abc import Callable

from backends import add_filler, start_backend, start_endpoint
from bed import Bed, Failed
from frames import FIRST_WINDOW, MAX_WINDOW, Client, window_update
from h2load import AUTHORITY
from stalling_endpoint import READ, STALL, STALLING
from subjects import Nodeway, start_nodeway
from tables import markdown, median, number, ratio, spread

PROBE_BYTES = 16 << 20  # to learn roughly how fast it is
MAX_BYTES = 1 << 30
STALL_BYTES = 1 << 30  # offered on the stream that nobody reads
REST_S = 0.2  # without progress for so long, a stream has stalled

Transfer = Callable[[Client, int], None]  # on a connection, of so many bytes


def report(bed: Bed, runs: int, seconds: float) -> str:
    """Two rows: replies, with nghttpd as the endpoint; requests, with one that can stall."""
    rows = [measure_replies(bed, runs, seconds), measure_requests(bed, runs, seconds)]
    heads = ["", "alone MiB/s", "beside a stalled one MiB/s", "ratio", "its spread"]
    return "### A stream beside a stalled one, on the same connections\n\n" + markdown(heads, rows)


def measure_replies(bed: Bed, runs: int, seconds: float) -> list[str]:
    stalled_path = add_filler(bed, STALL_BYTES)
    with start_nodeway(bed, {"echo": [start_backend(bed).port]}) as router:

        def transfer(client: Client, size: int) -> None:
            path = add_filler(bed, size)
            stream = client.get(AUTHORITY, path)
            client.send(window_update(stream, MAX_WINDOW - FIRST_WINDOW))
            received = client.await_reply(stream)
            if received != size:
                raise Failed(f"{received} of {size} bytes came")

        def stall(client: Client, _size: int) -> None:
            stream = client.get(AUTHORITY, stalled_path)  # whose window is left as it is
            while client.streams[stream].received < FIRST_WINDOW:
                client.read()

        return measure("replies", router, transfer, stall, runs, seconds)


def measure_requests(bed: Bed, runs: int, seconds: float) -> list[str]:
    with start_nodeway(bed, {"echo": [start_endpoint(bed, STALLING).port]}) as router:

        def transfer(client: Client, size: int) -> None:
            stream = client.post(AUTHORITY, "/", READ)
            client.offer(stream, size, rest_s=30)
            client.end(stream)
            client.await_reply(stream)

        def stall(client: Client, size: int) -> None:
            stream = client.post(AUTHORITY, "/", STALL)
            if client.offer(stream, size, REST_S) == size:
                raise Failed("a request that nobody reads was sent whole")

        return measure("requests", router, transfer, stall, runs, seconds)


def measure(what: str, router: Nodeway, transfer: Transfer, stall: Transfer, runs: int, seconds: float) -> list[str]:
    """Alone and beside a stalled stream in turn, each on a client's connection of its own, which is used before."""
    with Client(router.port) as client:
        rate = rate_of(client, transfer, PROBE_BYTES)
    size = int(min(max(rate * seconds, PROBE_BYTES), MAX_BYTES))
    with Client(router.port) as client:
        transfer(client, size)  # the document is in memory from then on
    rates: dict[bool, list[float]] = {False: [], True: []}
    for run in range(1, runs + 1):
        print(f"limits: {what} beside a stalled one, run {run} of {runs}", flush=True)
        for is_beside in (False, True) if run % 2 else (True, False):  # neither has always the warmer machine
            with Client(router.port) as client:
                transfer(client, FIRST_WINDOW)
                if is_beside:
                    stall(client, STALL_BYTES)
                rates[is_beside].append(rate_of(client, transfer, size))
                check_connection(router)
    alone, beside = rates[False], rates[True]
    ratios = [b / a for a, b in zip(alone, beside, strict=True)]
    return [what, number(median(alone) / 2**20), number(median(beside) / 2**20), number(ratio(beside, alone)),
            spread(ratios)]


def check_connection(router: Nodeway) -> None:
    """There must be one for both streams, or the figure proves nothing."""
    connections = router.metric("nodeway_upstream_connections")
    if connections != 1:
        raise Failed(f"{connections:.0f} connections to the endpoint instead of one")


def rate_of(client: Client, transfer: Transfer, size: int) -> float:
    """Bytes per second."""
    began_at = time.monotonic()
    transfer(client, size)
    return size / (time.monotonic() - began_at)
