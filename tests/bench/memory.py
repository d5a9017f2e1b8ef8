# SPDX-License-Identifier: Apache-2.0
"""What nodeway holds of a body that is offered and not read, in each of the ways not to read."""

from __future__ import annotations

import time
from collections.abc import Callable

from backends import add_filler, start_backend, start_endpoint
from bed import Bed
from frames import INITIAL_WINDOW_SIZE, MAX_WINDOW, Client, setting
from h2load import AUTHORITY, METHOD
from stalling_endpoint import DEAF, READ, STALL, STALLING
from subjects import Nodeway, start_nodeway
from tables import markdown

OFFERED_BYTES = 1 << 30
WATCHED_S = 1.5  # after the sender could have come to rest
LOOK_S = 0.02


def report(bed: Bed, runs: int, _seconds: float) -> str:
    """The worst of the runs: it is a bound that was promised."""
    ways: dict[str, Callable[[Bed], tuple[int, int]]] = {
        "reply, its stream's window stays shut": lambda bed: stall_reply(bed, b""),
        "reply, the client reads nothing at all": lambda bed: stall_reply(
            bed, setting(INITIAL_WINDOW_SIZE, MAX_WINDOW)),
        "request, its stream's window stays shut": lambda bed: stall_request(bed, STALL),
        "request, the endpoint reads nothing at all": lambda bed: stall_request(bed, DEAF),
    }
    rows = []
    for way, play in ways.items():
        print(f"limits: memory, {way}", flush=True)
        seen = [play(bed) for _ in range(runs)]
        taken, growth = (max(values) for values in zip(*seen, strict=True))
        rows.append([way, f"{taken / 1024:,.0f}", f"{growth:,}"])
    heads = ["1 GiB offered", "taken from the sender, KiB", "growth of RSS, KiB"]
    return "### Memory with a reader that has stalled\n\n" + markdown(heads, rows)


def stall_reply(bed: Bed, settings: bytes) -> tuple[int, int]:
    """Bytes that the endpoint could send, and the growth in KiB."""
    path = add_filler(bed, OFFERED_BYTES)
    with start_backend(bed) as backend, start_nodeway(bed, {"echo": [backend.port]}) as router, \
            Client(router.port, settings) as client:
        client.await_reply(client.get(AUTHORITY, f"/{METHOD}"))
        before, sent_before = router.process.rss_kib(), backend.process.bytes_written()
        client.get(AUTHORITY, path)
        growth = watch(router) - before
        return backend.process.bytes_written() - sent_before, growth


def stall_request(bed: Bed, wish: bytes) -> tuple[int, int]:
    """Bytes that the client could send, and the growth in KiB."""
    with start_nodeway(bed, {"echo": [start_endpoint(bed, STALLING).port]}) as router, Client(router.port) as client:
        first = client.post(AUTHORITY, "/", READ)
        client.end(first)
        client.await_reply(first)
        before = router.process.rss_kib()
        taken = client.offer(client.post(AUTHORITY, "/", wish), OFFERED_BYTES, rest_s=WATCHED_S / 3)
        return taken, watch(router) - before


def watch(router: Nodeway) -> int:
    """The most that the router had in memory over a while, in KiB."""
    most, until = 0, time.monotonic() + WATCHED_S
    while time.monotonic() < until:
        most = max(most, router.process.rss_kib())
        time.sleep(LOOK_S)
    return most
