# SPDX-License-Identifier: Apache-2.0
"""What is held open: streams that last and say something each second, and connections on which nothing happens."""

from __future__ import annotations

import select
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from backends import start_backend, start_endpoint
from bed import Bed, Failed
from frames import DATA, PATIENCE_S, Client, frame
from h2load import AUTHORITY, METHOD, REQUEST
from subjects import NODEWAY, PROXIES, Subject
from tables import markdown, median, number

STREAM_CONNECTIONS, STREAMS_EACH = 10, 100
TICKS_PER_S = 100  # in each of which a hundredth of the streams says something

IDLE_CONNECTIONS = 10_000
IDLE_PER_ADDRESS = 500  # what nodeway grants one caller
FOR_MANY_CONNECTIONS = (NODEWAY.name, "nghttpx", "Envoy")  # the others are set up for fewer


@dataclass(frozen=True)
class Held:
    """Of 1,000 open streams."""

    kib_per_stream: float
    cpu_us_per_message: float  # there and back


def report(bed: Bed, runs: int, seconds: float) -> str:
    streams, connections = defaultdict(list), defaultdict(list)
    for run in range(1, runs + 1):
        for subject in PROXIES:
            print(f"held: run {run} of {runs}, {subject.name}", flush=True)
            try:
                streams[subject.name].append(hold_streams(bed, subject, max(1, round(seconds))))
                if subject.name in FOR_MANY_CONNECTIONS:
                    connections[subject.name].append(hold_connections(bed, subject))
            except (Failed, OSError) as failure:
                bed.note_problem(f"{subject.name}: {failure}")
    return render(streams, connections)


def hold_streams(bed: Bed, subject: Subject, seconds: int) -> Held:
    """Opens them, and lets each say something once a second."""
    with start_endpoint(bed, "echoing_endpoint.py") as endpoint, subject.start(bed, [endpoint]) as proxy, \
            ExitStack() as stack:
        clients = [stack.enter_context(Client(proxy.port)) for _ in range(STREAM_CONNECTIONS)]
        call(clients)
        before_kib = proxy.process.rss_kib()
        streams = [(client, client.post(AUTHORITY, f"/{METHOD}", REQUEST))
                   for _ in range(STREAMS_EACH) for client in clients]
        await_messages(streams, 1)
        grown_kib = proxy.process.rss_kib() - before_kib
        cpu_s = proxy.process.cpu_seconds()
        converse(streams, seconds)
        await_messages(streams, 1 + seconds)
        cpu_s = proxy.process.cpu_seconds() - cpu_s
    return Held(grown_kib / len(streams), cpu_s * 1e6 / (len(streams) * seconds))


def call(clients: Sequence[Client]) -> None:
    """Once on each: so that what a connection needs anyway is there."""
    for client in clients:
        stream = client.post(AUTHORITY, f"/{METHOD}", REQUEST)
        client.end(stream)
        client.await_reply(stream)


def converse(streams: Sequence[tuple[Client, int]], seconds: int) -> None:
    """Each stream once a second, evenly over it."""
    began_at, per_tick = time.monotonic(), len(streams) // TICKS_PER_S
    for tick in range(seconds * TICKS_PER_S):
        at = tick % TICKS_PER_S * per_tick
        for client, stream in streams[at:at + per_tick]:
            client.send(frame(DATA, 0, stream, REQUEST))
        take_in(streams, max(0.0, began_at + (tick + 1) / TICKS_PER_S - time.monotonic()))


def take_in(streams: Sequence[tuple[Client, int]], for_s: float) -> None:
    by_socket = {client.socket: client for client, _ in streams}
    until = time.monotonic() + for_s
    while ready := select.select(by_socket, [], [], max(0.0, until - time.monotonic()))[0]:
        for peer in ready:
            by_socket[peer].read()


def await_messages(streams: Sequence[tuple[Client, int]], count: int) -> None:
    """Until so many have come back on each."""
    until = time.monotonic() + PATIENCE_S
    while behind := sum(client.streams[stream].received < count * len(REQUEST) for client, stream in streams):
        if time.monotonic() > until:
            raise Failed(f"{behind} of {len(streams)} streams have not got {count} messages within {PATIENCE_S:g} s")
        take_in(streams, 0.05)


def hold_connections(bed: Bed, subject: Subject) -> float:
    """KiB for each connection that has made a call, and none since."""
    with start_backend(bed) as backend, subject.start(bed, [backend]) as proxy, ExitStack() as stack:
        before_kib = proxy.process.rss_kib()
        clients = []
        for i in range(IDLE_CONNECTIONS):
            client = Client(proxy.port, source=f"127.0.1.{1 + i // IDLE_PER_ADDRESS}")
            clients.append(stack.enter_context(client))
            client.await_reply(client.get(AUTHORITY, f"/{METHOD}"))
        return (proxy.process.rss_kib() - before_kib) / len(clients)


def render(streams: dict[str, list[Held]], connections: dict[str, list[float]]) -> str:
    count = STREAM_CONNECTIONS * STREAMS_EACH
    return "\n".join((
        f"### {count:,} streams over {STREAM_CONNECTIONS} connections, a message a second each way\n",
        markdown(["", "RSS per stream, KiB", "CPU µs per message there and back"],
                 ([name, number(median([held.kib_per_stream for held in all_held])),
                   number(median([held.cpu_us_per_message for held in all_held]))]
                  for name, all_held in streams.items())),
        f"### {IDLE_CONNECTIONS:,} connections of clients, idle after a call\n",
        markdown(["", "RSS per connection, KiB"],
                 ([name, number(median(values))] for name, values in connections.items()))))
