# SPDX-License-Identifier: Apache-2.0
"""What a second worker brings, on the CPUs that load and endpoints need, too."""

from __future__ import annotations

from collections.abc import Sequence

from backends import Server, start_backend
from bed import Bed
from h2load import Shape
from proxy import BACKENDS, CPU, P99, RATE, Load, Samples, by_shape, measure_all, over
from subjects import Start, Subject, start_nodeway
from tables import markdown, median, number, spread

LOADS = by_shape(Load(Shape(50, 20)))
COLUMNS = (RATE, CPU, P99)


def with_workers(count: int) -> Start:
    def start(bed: Bed, backends: Sequence[Server], /, *, is_http1: bool = False) -> Server:
        return start_nodeway(bed, {"echo": [backend.port for backend in backends]}, workers=count, is_http1=is_http1)
    return start


ONE, TWO = Subject("1 worker", with_workers(1)), Subject("2 workers", with_workers(2))


def report(bed: Bed, runs: int, seconds: float) -> str:
    with bed.sharing_all_cpus():
        backends = [start_backend(bed) for _ in range(BACKENDS)]
        found = measure_all(bed, "workers", (ONE, TWO), backends, LOADS, runs, seconds)
        shared = f"nodeway, load and endpoints shared CPUs {', '.join(map(str, bed.measured_cpus))}.\n"
    return "\n".join([shared, *(render(title, samples) for title, samples in found.items())])


def render(title: str, samples: Samples) -> str:
    """A row for each number of workers, and how the second is to the first."""
    heads = [title]
    for column in COLUMNS:
        heads += [column.title, "its spread"]
    rows = []
    for name in (subject.name for subject in (ONE, TWO) if samples.get(subject.name)):
        row = [name]
        for column in COLUMNS:
            values = column.of(samples[name])
            row += [number(median(values)), spread(values)]
        rows.append(row)
    last = ["two over one"]
    for column in COLUMNS:
        last += [number(over(samples, TWO.name, ONE.name, column)), ""]
    return markdown(heads, [*rows, last])
