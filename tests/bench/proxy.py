# SPDX-License-Identifier: Apache-2.0
"""What a call through nodeway costs, beside its peers and beside no proxy at all."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import h2load
from backends import Server, start_backend
from bed import Bed, Failed
from h2load import Shape
from subjects import ALONE, NODEWAY, SUBJECTS, Nodeway, Subject
from tables import markdown, median, number, ratio, spread

SHAPES = (Shape(1, 1), Shape(10, 10), Shape(50, 20), Shape(200, 1))
BACKENDS = 3
PROBE_REQUESTS = 2000  # to learn roughly how fast a subject is
WARM_UP_SHARE = 0.25  # of the measured time: connections opened, memory touched, tables filled


@dataclass(frozen=True)
class Sample:
    """One run of one subject under one shape of load."""

    requests_per_s: float
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
P50 = Column("p50_ms", "p50 ms")
P99 = Column("p99_ms", "p99 ms")
RSS = Column("max_rss_mib", "max RSS MiB")
EVENNESS = Column("evenness", "evenness", is_better_higher=True)
COMPARED = (CPU, RATE, P50, P99, RSS)

Samples = dict[str, list[Sample]]  # by the name of the subject, one for each run


def report(bed: Bed, runs: int, seconds: float) -> str:
    """Measures everything, interleaved, so that what else the machine does meets all alike."""
    backends = [start_backend(bed) for _ in range(BACKENDS)]
    found: dict[Shape, Samples] = {shape: defaultdict(list) for shape in SHAPES}
    for run in range(1, runs + 1):
        for shape in SHAPES:
            for subject in SUBJECTS:
                print(f"proxy: run {run} of {runs}, {shape}, {subject.name}", flush=True)
                sample = try_measure(bed, subject, backends, shape, seconds)
                if sample:
                    found[shape][subject.name].append(sample)
    return render(found, runs)


def try_measure(bed: Bed, subject: Subject, backends: Sequence[Server], shape: Shape,
                seconds: float) -> Sample | None:
    """A subject that does not work is told at the end, and leaves the others their figures."""
    try:
        return measure(bed, subject, backends, shape, seconds)
    except Failed as failure:
        bed.note_problem(f"{subject.name}, {shape}: {failure}")
        return None


def measure(bed: Bed, subject: Subject, backends: Sequence[Server], shape: Shape, seconds: float) -> Sample:
    """A fresh process each time, so that memory is that of this load alone."""
    with subject.start(bed, backends) as server:
        process = server.process
        probed = h2load.run(bed, server.port, shape, PROBE_REQUESTS, with_latencies=False)
        warmed = h2load.run(bed, server.port, shape, int(probed.requests_per_s * seconds * WARM_UP_SHARE),
                            with_latencies=False)
        cpu_before, read_before = process.cpu_seconds(), [backend.process.bytes_read() for backend in backends]
        outcome = h2load.run(bed, server.port, shape, int(warmed.requests_per_s * seconds))
        cpu_s = process.cpu_seconds() - cpu_before
        read = [backend.process.bytes_read() - was for backend, was in zip(backends, read_before, strict=True)]
        max_rss_mib = process.max_rss_kib() / 1024
        process.check()
        if isinstance(server, Nodeway):
            check_counters(bed, server, probed.requests + warmed.requests + outcome.requests)
    return Sample(
        requests_per_s=outcome.requests_per_s,
        cpu_us=cpu_s * 1e6 / outcome.requests,
        p50_ms=outcome.latency_ms(50),
        p99_ms=outcome.latency_ms(99),
        max_rss_mib=max_rss_mib,
        evenness=math.nan if subject is ALONE else evenness(read))


def evenness(shares: Sequence[float]) -> float:
    """The least over the greatest; 1 is perfect."""
    return min(shares) / max(shares) if max(shares) else math.nan


def check_counters(bed: Bed, router: Nodeway, sent: int) -> None:
    """nodeway does its full job here, counting included, or its figures are worth nothing."""
    by_endpoint = router.endpoint_requests()
    if sum(by_endpoint.values()) != sent or len(by_endpoint) != BACKENDS:
        bed.note_problem(f"nodeway counted {by_endpoint} of {sent} requests")
    succeeded = router.metric("nodeway_responses_total", outcome="success", grpc_status="0")
    if succeeded != sent:
        bed.note_problem(f"nodeway counted {succeeded:.0f} of {sent} replies as a success of gRPC")


def best_peer(samples: Samples, column: Column) -> str | None:
    """The name of the peer with the best median."""
    peers = [subject.name for subject in SUBJECTS if subject.is_peer and samples.get(subject.name)]
    best = max if column.is_better_higher else min
    return best(peers, key=lambda name: median(column.of(samples[name])), default=None)


def of_best_peer(samples: Samples, name: str, column: Column) -> float:
    """The subject's figure over the best peer's. Runs that failed cannot be paired: then of the medians."""
    peer = best_peer(samples, column)
    if peer is None or not samples.get(name):
        return math.nan
    values, others = column.of(samples[name]), column.of(samples[peer])
    if len(values) == len(others):
        return ratio(values, others)
    return median(values) / median(others)


def render(found: dict[Shape, Samples], runs: int) -> str:
    """nodeway's ratios first, since they are what one reads; then all figures."""
    parts = [f"nodeway over the best peer of each column, {runs} runs:\n", ratios(found)]
    for shape, samples in found.items():
        parts += [f"### {shape}\n", figures(samples)]
    return "\n".join(parts)


def ratios(found: dict[Shape, Samples]) -> str:
    """One row for each shape. For all columns but requests/s, less is better."""
    def cell(samples: Samples, column: Column) -> str:
        peer = best_peer(samples, column)
        return f"{number(of_best_peer(samples, NODEWAY.name, column))} of {peer}" if peer else "–"

    heads = ["clients × streams", *(column.title for column in COMPARED)]
    return markdown(heads, ([str(shape), *(cell(samples, column) for column in COMPARED)]
                            for shape, samples in found.items()))


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
