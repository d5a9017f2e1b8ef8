# SPDX-License-Identifier: Apache-2.0
"""Many routers on one API server: what they ask of it when all start at once, what an update costs, and what that comes
to for a cluster of 5,000 nodes."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bed import Failed
from scale_cluster import Cluster, await_ready, slices_seen
from subjects import Nodeway
from tables import markdown, number

ROUTERS = 100
SPARE_KIB = 4 << 20  # of memory, that stay free for the API server and whoever else works on the machine
SETTLE_S = 5.0  # until nothing of the start is under way
FLEET_CHURN_PER_S = 5  # for so many routers on one machine of two CPUs more is too much
FLEET_CHURN_S = 10.0
NODES = 5_000
MIB = 1 << 20


@dataclass
class Fleet:
    """What so many routers cost together."""

    routers: int
    ready_s: float
    requests: Counter[tuple[str, str]]
    sync_bytes: int
    sync_api_s: float
    sync_own_s: float
    rate: float = 0.0
    update_bytes: float = 0.0  # of one update to one router
    update_api_us: float = 0.0  # CPU of the API server for the same
    update_own_us: float = 0.0  # CPU of the router for the same


def report(cluster: Cluster, alone_api_ms: float, router_kib: float) -> str:
    """`alone_api_ms`: CPU of the API server for an update with one router; `router_kib`: what a router takes."""
    count = min(ROUTERS, int((available_kib() - SPARE_KIB) / router_kib))
    print(f"scale: {count} routers at once", flush=True)
    requests_before, api_before, sent_before = cluster.requests(), cluster.api_cpu_seconds(), cluster.bytes_sent()
    began_at = time.monotonic()
    with contextlib.ExitStack() as stack:
        # Half of them on each side: here the whole is measured, not one router.
        processes = [stack.enter_context(cluster.start_router(i, is_measured=i % 2 == 0, saves_view=False))
                     for i in range(count)]
        routers = [await_ready(process) for process in processes]
        ready_s = time.monotonic() - began_at
        time.sleep(SETTLE_S)
        fleet = Fleet(count, ready_s, cluster.requests() - requests_before, cluster.bytes_sent() - sent_before,
                      cluster.api_cpu_seconds() - api_before, total_cpu_seconds(routers))
        watch_churn(cluster, fleet, alone_api_ms, routers)
        for process in processes:
            process.kill()
    return render(fleet) + "\n" + on_paper(fleet)


def available_kib() -> int:
    fields = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    return int(fields["MemAvailable"].split()[0])


def total_cpu_seconds(routers: Sequence[Nodeway]) -> float:
    return sum(router.process.cpu_seconds() for router in routers)


def watch_churn(cluster: Cluster, fleet: Fleet, alone_api_ms: float, routers: Sequence[Nodeway]) -> None:
    """What an update costs for each router. A server that has one router is what that is counted from."""
    def figures() -> tuple[float, ...]:
        return (slices_seen(routers[0]), cluster.bytes_sent(), cluster.api_cpu_seconds(), total_cpu_seconds(routers),
                time.monotonic())

    with cluster.churn(FLEET_CHURN_PER_S, []):
        time.sleep(SETTLE_S)
        before = figures()
        time.sleep(FLEET_CHURN_S)
        updates, sent, api_s, own_s, took_s = (now - then for now, then in zip(figures(), before, strict=True))
    if updates == 0:
        raise Failed("no router heard of a slice that was changed")
    fleet.rate = updates / took_s
    # The answers to the writers are a few hundred bytes of metadata: below a thousandth of what the routers get.
    fleet.update_bytes = sent / updates / fleet.routers
    fleet.update_api_us = max(0.0, api_s / updates - alone_api_ms / 1e3) / (fleet.routers - 1) * 1e6
    fleet.update_own_us = own_s / updates / fleet.routers * 1e6


def render(fleet: Fleet) -> str:
    start = markdown(["routers at once", "all ready after s", "MiB sent", "MiB each", "API server's CPU s each",
                      "router's CPU s each"],
                     [[str(fleet.routers), number(fleet.ready_s), number(fleet.sync_bytes / MIB),
                       *(number(figure / fleet.routers)
                         for figure in (fleet.sync_bytes / MIB, fleet.sync_api_s, fleet.sync_own_s))]])
    asked = markdown(["what they asked for", "requests", "of each router"],
                     [[f"{kind}, {resource}", str(count), number(count / fleet.routers)]
                      for (kind, resource), count in sorted(fleet.requests.items())])
    update = markdown(["updates/s", "bytes to each router", "API server's CPU µs for each router",
                       "router's CPU µs"],
                      [[number(fleet.rate), number(fleet.update_bytes), number(fleet.update_api_us),
                        number(fleet.update_own_us)]])
    return (f"### {fleet.routers} routers on one API server\n\n{start}\n{asked}\n"
            f"One update of a slice, with {fleet.routers} routers that watch:\n\n{update}")


def on_paper(fleet: Fleet) -> str:
    """Straight lines through what was measured: a server may do better with more, by what it encodes once for all."""
    times = NODES / fleet.routers
    sync_gib, sync_api_s = times * fleet.sync_bytes / (1 << 30), times * fleet.sync_api_s
    update_mib, update_api_s = NODES * fleet.update_bytes / MIB, NODES * fleet.update_api_us / 1e6
    rows = [
        ["all start at once", "MiB each × nodes, CPU s each × nodes", f"{number(sync_gib)} GiB",
         f"{number(sync_api_s)} s"],
        ["one slice update per second", "bytes × nodes, CPU µs × nodes", f"{number(update_mib)} MiB/s",
         f"{number(update_api_s * 100)} % of a core"],
    ]
    return f"### {NODES:,} nodes, on paper\n\n" + markdown(
        ["what happens", "formula, from the figures above", "sent by the API servers", "their CPU"], rows)
