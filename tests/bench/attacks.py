# SPDX-License-Identifier: Apache-2.0
"""What a well-behaved client notices while another, on a connection of its own, attacks."""

from __future__ import annotations

import contextlib
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path

import h2load
from attacker import ATTACKS
from backends import add_filler, start_backend
from bed import Bed, Failed, Process, humble
from lingering import LARGE_BYTES
from subjects import Nodeway, start_nodeway
from tables import markdown, median, number, ratio

QUIET = "none"
CALLS_PER_S = 500  # a steady load, far from what one worker can do
CALLER = h2load.Shape(1, 10)
IN_PLACE_S = 60.0  # kernels have gigabytes of room
SETTLE_S = 30.0
ENDPOINT_STREAMS = 1_000  # of a connection: what comes to its limit is to be nodeway's
LIMIT_HITS, SLOW_TURNS = "nodeway_limit_hits_total", "nodeway_loop_turns_slow_total"


def report(bed: Bed, runs: int, seconds: float) -> str:
    """A row for each attack, after one for none. Each run has all of them in turn."""
    found: dict[str, list[h2load.Outcome]] = defaultdict(list)
    counted: dict[str, Counter[str]] = defaultdict(Counter)
    add_filler(bed, LARGE_BYTES)
    with start_nodeway(bed, {"echo": [start_backend(bed, streams=ENDPOINT_STREAMS).port]}) as router:
        for run in range(1, runs + 1):
            print(f"attacks: run {run} of {runs}", flush=True)
            for name in (QUIET, *ATTACKS):
                before = counts(router)
                with attacker(bed, name, router):
                    found[name].append(
                        h2load.run(bed, router.port, CALLER, int(CALLS_PER_S * seconds), rate=CALLS_PER_S))
                counted[name] += counts(router) - before
                settle(router)
    return render(found, counted)


def counts(router: Nodeway) -> Counter[str]:
    return Counter({name: int(router.metric(name)) for name in (LIMIT_HITS, SLOW_TURNS)})


def attacker(bed: Bed, name: str, router: Nodeway) -> contextlib.AbstractContextManager[Process | None]:
    """A process that attacks for as long as it lives; none if it is quiet."""
    if name == QUIET:
        return contextlib.nullcontext()
    # What it takes of the CPU that it shares with client and endpoint is not what an attack does to nodeway.
    process = bed.start(
        "attacker", humble([sys.executable, Path(__file__).with_name("attacker.py"), name, str(router.port)]))
    process.await_line("attacks", IN_PLACE_S)
    return process


def settle(router: Nodeway) -> None:
    """Returns when nothing of an attack is left, which would be charged to the next."""
    until = time.monotonic() + SETTLE_S
    while router.metric("nodeway_client_connections_open") or router.metric("nodeway_streams_open"):
        if time.monotonic() > until:
            raise Failed(f"there are connections {SETTLE_S:g} s after their clients have ended")
        time.sleep(0.05)


def render(found: dict[str, list[h2load.Outcome]], counted: dict[str, Counter[str]]) -> str:
    quiet = [outcome.latency_ms(99) for outcome in found[QUIET]]
    rows = []
    for name, outcomes in found.items():
        p50, p99 = ([outcome.latency_ms(percent) for outcome in outcomes] for percent in (50, 99))
        failed = sum(outcome.requests - outcome.answered(h2load.SMALL_CALL) for outcome in outcomes)
        slowest = max(outcome.latency_ms(100) for outcome in outcomes)
        rows.append([name, number(median(p50)), number(median(p99)), number(ratio(p99, quiet)), number(slowest),
                     str(failed), str(counted[name][LIMIT_HITS]), str(counted[name][SLOW_TURNS])])
    return markdown(
        ["attack", "p50 ms", "p99 ms", "of quiet p99", "slowest ms", "failed", "limit hits", "slow turns"], rows)
