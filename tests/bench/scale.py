#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures nodeway in a cluster of 10,000 Services and 150,000 endpoints, against a real API server.

tests/bench/scale.sh builds and installs what this needs, and runs it in the sandbox of the cluster tests.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import h2load
import scale_fleet
import scale_objects as objects
from bed import Bed, Failed
from bench import run_as_program
from frames import Client
from h2load import AUTHORITY, METHOD, Shape, percentile
from scale_cluster import POD_ADDRESSES, POD_PORT, Cluster, await_ready, slices_seen
from scale_writers import Writer
from subjects import Nodeway
from tables import markdown, median, number

CHURN_PER_S = 500
SETTLE_S = 2.0  # until the writers have their connections, and the router has taken the first changes
CALLS = Shape(clients=4, streams=1)
CALLS_PER_S = 250  # of each client: a light load, at which nothing queues
WRITES = 120  # of the probe's slice, idle and in the churn: enough for a 99th percentile that is not the slowest
PAUSES_S = (0.02, 0.1)  # between them, drawn from this range so that they meet no rhythm of the router
REACTION_S = 10.0  # after which a new pod counts as not found


@dataclass
class Churned:
    """What was seen with and without churn."""

    rates: list[float] = field(default_factory=list)
    cpu_percent: list[float] = field(default_factory=list)
    quiet_cpu_percent: list[float] = field(default_factory=list)
    api_cpu_ms: list[float] = field(default_factory=list)  # of the API server for one update
    latencies: dict[str, list[h2load.Outcome]] = field(default_factory=dict)
    slow_turns: dict[str, list[float]] = field(default_factory=dict)
    rss_mib: float = 0.0
    max_rss_mib: float = 0.0


def report(bed: Bed, runs: int, seconds: float) -> str:
    """All parts, on one cluster. Each is told when it is there: the last one takes long, and may fail."""
    tables = []

    def add(text: str) -> None:
        print(f"\n{text}", flush=True)
        tables.append(text)

    with Cluster(bed) as cluster:
        add(first_sync(cluster, runs))
        with cluster.pods(), cluster.router() as router:
            churned = watch_churn(cluster, router, runs, seconds)
            add(render_churn(churned))
            add(new_pods(cluster, router))
        add(scale_fleet.report(cluster, median(churned.api_cpu_ms), churned.max_rss_mib * 1024))
    return "\n".join(tables)


def first_sync(cluster: Cluster, runs: int) -> str:
    """From exec to ready, in fresh processes."""
    columns: dict[str, list[float]] = {head: [] for head in (
        "ready after s", "CPU s", "RSS MiB", "max RSS MiB", "API server's CPU s", "MiB received")}
    for run in range(1, runs + 1):
        print(f"scale: first sync, run {run} of {runs}", flush=True)
        api_before, sent_before = cluster.api_cpu_seconds(), cluster.bytes_sent()
        began_at = time.monotonic()
        with cluster.start_router(0, is_measured=True, saves_view=True) as process:
            await_ready(process)
            took_s, cpu_s = time.monotonic() - began_at, process.cpu_seconds()
            api_s, sent = cluster.api_cpu_seconds() - api_before, cluster.bytes_sent() - sent_before
            time.sleep(SETTLE_S)  # the view is written for the first time
            figures = (took_s, cpu_s, process.rss_kib() / 1024, process.max_rss_kib() / 1024, api_s, sent / (1 << 20))
        for values, figure in zip(columns.values(), figures, strict=True):
            values.append(figure)
    row = ["median", *(number(median(values)) for values in columns.values())]
    worst = ["most", *(number(max(values)) for values in columns.values())]
    endpoints = objects.SERVICES * objects.ENDPOINTS
    return (f"### First sync of {objects.SERVICES:,} Services and {endpoints:,} endpoints\n\n"
            + markdown(["", *columns], [row, worst]))


def watch_churn(cluster: Cluster, router: Nodeway, runs: int, seconds: float) -> Churned:
    """CPU and calls, quiet and in the churn in turn."""
    seen = Churned()
    ways = {"straight": (POD_ADDRESSES[0], POD_PORT), "through nodeway": ("127.0.0.1", router.port)}
    for run in range(1, runs + 1):
        print(f"scale: churn, run {run} of {runs}", flush=True)
        watch_cpu(cluster, router, seconds, seen.quiet_cpu_percent)
        call(cluster, router, ways, "quiet", seconds, seen)
        with cluster.churn(CHURN_PER_S, seen.rates):
            time.sleep(SETTLE_S)
            seen_before = slices_seen(router)
            api_s = watch_cpu(cluster, router, seconds, seen.cpu_percent)
            seen.api_cpu_ms.append(api_s / (slices_seen(router) - seen_before) * 1000)
            call(cluster, router, ways, "churn", seconds, seen)
    seen.rss_mib, seen.max_rss_mib = router.process.rss_kib() / 1024, router.process.max_rss_kib() / 1024
    return seen


def watch_cpu(cluster: Cluster, router: Nodeway, seconds: float, percents: list[float]) -> float:
    """Adds the share of a core that the router needs; CPU seconds of the API server meanwhile."""
    began_at, before, api_before = time.monotonic(), router.process.cpu_seconds(), cluster.api_cpu_seconds()
    time.sleep(seconds)
    spent = router.process.cpu_seconds() - before
    percents.append(spent / (time.monotonic() - began_at) * 100)
    return cluster.api_cpu_seconds() - api_before


def call(cluster: Cluster, router: Nodeway, ways: dict[str, tuple[str, int]], when: str, seconds: float,
         seen: Churned) -> None:
    """A light load each way."""
    for way, (host, port) in ways.items():
        slow_before = router.metric("nodeway_loop_turns_slow_total")
        requests = int(CALLS.clients * CALLS_PER_S * seconds)
        outcome = h2load.run(cluster.bed, port, CALLS, requests, host=host, rate=CALLS_PER_S)
        seen.latencies.setdefault(f"{way}, {when}", []).append(outcome)
        slow = router.metric("nodeway_loop_turns_slow_total") - slow_before
        seen.slow_turns.setdefault(f"{way}, {when}", []).append(slow / outcome.seconds)


def render_churn(seen: Churned) -> str:
    rows = [["nothing", number(median(seen.quiet_cpu_percent)), number(max(seen.quiet_cpu_percent)), "", "", ""],
            [f"{median(seen.rates):.0f} slices/s", number(median(seen.cpu_percent)), number(max(seen.cpu_percent)),
             number(seen.rss_mib), number(seen.max_rss_mib), number(median(seen.api_cpu_ms))]]
    text = markdown(["what changes", "CPU, % of a core", "of the worst run", "RSS after, MiB", "max RSS, MiB",
                     "API server's CPU ms per update"], rows)
    calls = []
    for way in sorted(seen.latencies):
        outcomes, turns = seen.latencies[way], seen.slow_turns[way]
        shown = [median([outcome.latency_ms(percent) for outcome in outcomes]) for percent in (50, 99)]
        calls.append([way, *map(number, shown), number(median(turns)) if "nodeway" in way else ""])
    rate = CALLS.clients * CALLS_PER_S
    return (f"### Steady churn of {CHURN_PER_S} slice updates per second\n\n{text}\n"
            + markdown([f"{rate:,} calls/s", "p50 ms", "p99 ms", "turns of the worker above 1 ms, per s"], calls))


def new_pods(cluster: Cluster, router: Nodeway) -> str:
    """Idle, and in the churn."""
    rates: list[float] = []
    print(f"scale: {WRITES} new pods, idle", flush=True)
    idle = react_all(cluster, router)
    print(f"scale: {WRITES} new pods in the churn", flush=True)
    with cluster.churn(CHURN_PER_S, rates):
        time.sleep(SETTLE_S)
        churned = react_all(cluster, router)
    rows = []
    for when, pairs in (("idle", idle), (f"{rates[0]:.0f} slices/s", churned)):
        for what, values in zip(("until the first reply of the new pod", "until the API server has answered the write"),
                                zip(*pairs, strict=True), strict=True):
            ordered = sorted(value * 1000 for value in values)
            rows.append([f"{when}, {what}", str(len(ordered)),
                         *(number(percentile(ordered, percent)) for percent in (50, 99, 100))])
    return "### From the write of an EndpointSlice to the new pod\n\n" + markdown(
        ["from the beginning of the write", "writes", "median ms", "p99 ms", "slowest ms"], rows)


def react_all(cluster: Cluster, router: Nodeway) -> Sequence[tuple[float, float]]:
    """Seconds to the new pod's first reply, and to the API server's answer, of each write."""
    writer, rng = Writer(cluster.access), random.Random()
    with Client(router.port) as client:
        pairs = []
        for i in range(WRITES):
            pairs.append(react(cluster, client, writer, pod=(i + 1) % 2))
            time.sleep(rng.uniform(*PAUSES_S))
        react(cluster, client, writer, pod=0)
    return pairs


def react(cluster: Cluster, client: Client, writer: Writer, pod: int) -> tuple[float, float]:
    """Exchanges the pod while calls go on, one after the other. The pod tells itself by the size of its reply."""
    answered_at: list[float] = []

    def write() -> None:
        writer.replace(objects.slices_path(objects.PROBE_NAMESPACE), cluster.probe_slice(pod))
        answered_at.append(time.monotonic())

    thread = threading.Thread(target=write)
    began_at = time.monotonic()
    thread.start()
    while client.await_reply(client.get(AUTHORITY, f"/{METHOD}")) != len(h2load.REPLY) + pod:
        if time.monotonic() > began_at + REACTION_S:
            raise Failed(f"no call came to the new pod within {REACTION_S:g} s")
    found_at = time.monotonic()
    thread.join()
    if not answered_at:
        raise Failed("the API server did not take the slice")
    return found_at - began_at, answered_at[0] - began_at


if __name__ == "__main__":
    run_as_program({"scale": report})
