# SPDX-License-Identifier: Apache-2.0
"""What replies with bodies of several sizes cost through nodeway, beside its peers and beside no proxy at all."""

from __future__ import annotations

from backends import add_filler, start_backend
from bed import Bed
from h2load import Call, Shape
from proxy import BACKENDS, BODY_RATE, CPU, RATE, RSS, Found, Load, Samples, measure_all, of_best_peer, ratios
from subjects import SUBJECTS
from tables import markdown, median, number, spread

SIZES = {"1 KiB": (1 << 10, Shape(10, 10)), "64 KiB": (64 << 10, Shape(10, 1)), "16 MiB": (16 << 20, Shape(4, 1))}
COMPARED = (CPU, BODY_RATE, RSS)


def report(bed: Bed, runs: int, seconds: float) -> str:
    backends = [start_backend(bed) for _ in range(BACKENDS)]
    loads = {f"{size}, {shape}": Load(shape, Call(path=add_filler(bed, count), reply_bytes=count))
             for size, (count, shape) in SIZES.items()}
    return render(measure_all(bed, "bodies", SUBJECTS, backends, loads, runs, seconds), runs)


def render(found: Found, runs: int) -> str:
    """nodeway's ratios first, since they are what one reads; then all figures."""
    parts = [ratios(found, "reply, clients × streams", COMPARED, runs)]
    for title, samples in found.items():
        parts += [f"### Replies of {title}\n", figures(samples)]
    return "\n".join(parts)


def figures(samples: Samples) -> str:
    """One row for each subject."""
    heads = ["", RATE.title, BODY_RATE.title, "its spread", CPU.title, "its spread", RSS.title,
             "CPU of the best peer", "MB/s of the best peer"]
    rows = []
    for name in (subject.name for subject in SUBJECTS if samples.get(subject.name)):
        values = {column: column.of(samples[name]) for column in (RATE, BODY_RATE, CPU, RSS)}
        rows.append([
            name, number(median(values[RATE])), number(median(values[BODY_RATE])), spread(values[BODY_RATE]),
            number(median(values[CPU])), spread(values[CPU]), number(median(values[RSS])),
            *(number(of_best_peer(samples, name, column)) for column in (CPU, BODY_RATE))])
    return markdown(heads, rows)
