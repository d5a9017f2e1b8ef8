# SPDX-License-Identifier: Apache-2.0
"""What a call through nodeway costs, beside its peers and beside no proxy at all."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import h2load
from backends import Server, start_backend
from bed import Bed, Failed
from h2load import SMALL_CALL, Call, Outcome, Shape
from subjects import ALONE, NODEWAY, SUBJECTS, Nodeway, Subject
from tables import markdown, median, number, ratio, spread

BACKENDS = 3
PROBE_REQUESTS = 2000  # to learn roughly how fast a subject is
PROBE_BYTES = 128 << 20  # of replies: fewer requests if they are large
WARM_UP_SHARE = 0.25  # of the measured time: connections opened, memory touched, tables filled


@dataclass(frozen=True)
class Load:
    """How many calls at a time, and which."""

    shape: Shape
    call: Call = SMALL_CALL


def by_shape(*loads: Load) -> dict[str, Load]:
    return {str(load.shape): load for load in loads}


LOADS = by_shape(*(Load(shape) for shape in (Shape(1, 1), Shape(10, 10), Shape(50, 20), Shape(200, 1))))


@dataclass(frozen=True)
class Sample:
    """One run of one subject under one shape of load."""

    requests_per_s: float
    body_mb_per_s: float
    cpu_us: float  # per request
    p50_ms: float
    p99_ms: float
    max_rss_mib: float
    evenness: float  # the least share of a backend over the greatest


@dataclass(frozen=True)
class Column:
    """A figure of a sample."""

    figure: str
    title: str
    is_better_higher: bool = False

    def of(self, samples: Sequence[Sample]) -> list[float]:
        return [getattr(sample, self.figure) for sample in samples]


CPU = Column("cpu_us", "CPU µs per request")
RATE = Column("requests_per_s", "requests/s", is_better_higher=True)
BODY_RATE = Column("body_mb_per_s", "MB/s of body", is_better_higher=True)
P50 = Column("p50_ms", "p50 ms")
P99 = Column("p99_ms", "p99 ms")
RSS = Column("max_rss_mib", "max RSS MiB")
EVENNESS = Column("evenness", "evenness", is_better_higher=True)
COMPARED = (CPU, RATE, P50, P99, RSS)

Samples = dict[str, list[Sample]]  # by the name of the subject, one for each run
Found = dict[str, Samples]  # by the title of the load


def report(bed: Bed, runs: int, seconds: float) -> str:
    backends = [start_backend(bed) for _ in range(BACKENDS)]
    return render(measure_all(bed, "proxy", SUBJECTS, backends, LOADS, runs, seconds), runs)


def measure_all(bed: Bed, part: str, subjects: Sequence[Subject], backends: Sequence[Server], loads: Mapping[str, Load],
                runs: int, seconds: float) -> Found:
    """Each subject under each load, interleaved, so that what else the machine does meets all alike."""
    found: Found = {title: defaultdict(list) for title in loads}
    for run in range(1, runs + 1):
        for title, load in loads.items():
            for subject in subjects:
                print(f"{part}: run {run} of {runs}, {title}, {subject.name}", flush=True)
                # A subject that does not work is told at the end, and leaves the others their figures.
                try:
                    found[title][subject.name].append(measure(bed, subject, backends, load, seconds))
                except Failed as failure:
                    bed.note_problem(f"{subject.name}, {title}: {failure}")
    return found


def measure(bed: Bed, subject: Subject, backends: Sequence[Server], load: Load, seconds: float) -> Sample:
    """A fresh process each time, so that memory is that of this load alone."""
    shape, call = load.shape, load.call
    with subject.start(bed, backends, is_http1=call.is_http1) as server:
        process = server.process
        probed = h2load.run(bed, server.port, shape, probe_requests(call), with_latencies=False, call=call)
        warmed = h2load.run(bed, server.port, shape, int(probed.requests_per_s * seconds * WARM_UP_SHARE),
                            with_latencies=False, call=call)
        cpu_before, written_before = process.cpu_seconds(), [backend.process.bytes_written() for backend in backends]
        outcome = h2load.run(bed, server.port, shape, int(warmed.requests_per_s * seconds), call=call)
        cpu_s = process.cpu_seconds() - cpu_before
        written = [backend.process.bytes_written() - was
                   for backend, was in zip(backends, written_before, strict=True)]
        max_rss_mib = process.max_rss_kib() / 1024
        process.check()
        check_bodies(bed, subject, outcome, call)
        if isinstance(server, Nodeway):
            check_counters(bed, server, probed.requests + warmed.requests + outcome.requests, call)
    return Sample(
        requests_per_s=outcome.requests_per_s,
        body_mb_per_s=outcome.body_mb_per_s,
        cpu_us=cpu_s * 1e6 / outcome.requests,
        p50_ms=outcome.latency_ms(50),
        p99_ms=outcome.latency_ms(99),
        max_rss_mib=max_rss_mib,
        evenness=math.nan if subject is ALONE else evenness(written))


def probe_requests(call: Call) -> int:
    return min(PROBE_REQUESTS, PROBE_BYTES // call.reply_bytes)


def evenness(shares: Sequence[float]) -> float:
    """The least over the greatest; 1 is perfect."""
    return min(shares) / max(shares) if max(shares) else math.nan


def check_bodies(bed: Bed, subject: Subject, outcome: Outcome, call: Call) -> None:
    """A reply that is cut short is fast, and no reply."""
    expected = outcome.succeeded * call.reply_bytes
    if outcome.body_bytes != expected:
        bed.note_problem(f"{subject.name}: {outcome.body_bytes} of {expected} bytes of bodies came")


def check_counters(bed: Bed, router: Nodeway, sent: int, call: Call) -> None:
    """nodeway does its full job here, counting included, or its figures are worth nothing."""
    by_endpoint = router.endpoint_requests()
    if sum(by_endpoint.values()) != sent or len(by_endpoint) != BACKENDS:
        bed.note_problem(f"nodeway counted {by_endpoint} of {sent} requests")
    of_grpc = {} if call.is_http1 else {"grpc_status": "0"}
    succeeded = router.metric("nodeway_responses_total", outcome="success", **of_grpc)
    if succeeded != sent:
        bed.note_problem(f"nodeway counted {succeeded:.0f} of {sent} replies as a success")


def best_peer(samples: Samples, column: Column) -> str | None:
    """The name of the peer with the best median."""
    peers = [subject.name for subject in SUBJECTS if subject.is_peer and samples.get(subject.name)]
    best = max if column.is_better_higher else min
    return best(peers, key=lambda name: median(column.of(samples[name])), default=None)


def of_best_peer(samples: Samples, name: str, column: Column) -> float:
    """The subject's figure over the best peer's."""
    peer = best_peer(samples, column)
    return over(samples, name, peer, column) if peer else math.nan


def over(samples: Samples, name: str, other: str, column: Column) -> float:
    """One subject's figure over another's. Runs that failed cannot be paired: then of the medians."""
    values, others = column.of(samples.get(name, [])), column.of(samples.get(other, []))
    if len(values) == len(others):
        return ratio(values, others)
    return median(values) / median(others)


def render(found: Found, runs: int) -> str:
    """nodeway's ratios first, since they are what one reads; then all figures."""
    parts = [ratios(found, "clients × streams", COMPARED, runs)]
    for title, samples in found.items():
        parts += [f"### {title}\n", figures(samples)]
    return "\n".join(parts)


def ratios(found: Found, load_head: str, columns: Sequence[Column], runs: int) -> str:
    """One row for each load. For all columns but rates, less is better."""
    def cell(samples: Samples, column: Column) -> str:
        peer = best_peer(samples, column)
        return f"{number(of_best_peer(samples, NODEWAY.name, column))} of {peer}" if peer else "–"

    heads = [load_head, *(column.title for column in columns)]
    return f"nodeway over the best peer of each column, {runs} runs:\n\n" + markdown(
        heads, ([title, *(cell(samples, column) for column in columns)] for title, samples in found.items()))


def figures(samples: Samples) -> str:
    """One row for each subject."""
    heads = ["", RATE.title, CPU.title, "its spread", P50.title, P99.title, RSS.title, EVENNESS.title,
             "CPU of the best peer", "p99 of the best peer", "requests/s of the best peer"]
    rows = []
    for name in (subject.name for subject in SUBJECTS if samples.get(subject.name)):
        values = {column: median(column.of(samples[name])) for column in (*COMPARED, EVENNESS)}
        rows.append([
            name, number(values[RATE]), number(values[CPU]), spread(CPU.of(samples[name])), number(values[P50]),
            number(values[P99]), number(values[RSS]), number(values[EVENNESS]),
            *(number(of_best_peer(samples, name, column)) for column in (CPU, P99, RATE))])
        if name == ALONE.name:
            rows.append([f"{name} × 2", "", number(2 * values[CPU]), *[""] * 5,
                         number(2 * of_best_peer(samples, name, CPU)), "", ""])
    return markdown(heads, rows)
