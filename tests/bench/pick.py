# SPDX-License-Identifier: Apache-2.0
"""What the choice of an endpoint costs, by the number of endpoints."""

from __future__ import annotations

import json
from collections import defaultdict

from bed import Bed, Failed
from tables import markdown, median, number

FIGURES = 20  # that bench_pick prints
COLUMNS = (
    ("pick", "peak_ewma", "peak_ewma, `PeakEwmaPolicy::pick`"),
    ("attempt", "peak_ewma", "peak_ewma, whole attempt"),
    ("pick", "round_robin", "round_robin, `RoundRobin::pick`"),
    ("attempt", "round_robin", "round_robin, whole attempt"),
)


def report(bed: Bed, runs: int, seconds: float) -> str:
    """Nanoseconds. The whole attempt is `Cluster::acquire` and `release`, with one measured reply."""
    found: dict[tuple[str, str, int], list[float]] = defaultdict(list)
    binary = bed.binary("tests/bench/bench_pick")
    for run in range(1, runs + 1):
        print(f"pick: run {run} of {runs}", flush=True)
        with bed.start("bench_pick", [binary, str(int(seconds * 1000 / FIGURES) + 1)], is_measured=True) as process:
            if process.wait(60 + 2 * seconds) != 0:
                raise Failed(f"bench_pick failed: {process.last_words()}")
            for line in process.output.read_text().splitlines():
                figure = json.loads(line)
                found[figure["what"], figure["policy"], figure["endpoints"]].append(figure["ns"])
    return render(found)


def render(found: dict[tuple[str, str, int], list[float]]) -> str:
    """One row for each number of endpoints."""
    sizes = sorted({n for _, _, n in found})
    rows = ([str(n), *(number(median(found[what, policy, n])) for what, policy, _ in COLUMNS)] for n in sizes)
    return markdown(["endpoints", *(f"{title}, ns" for _, _, title in COLUMNS)], rows)
