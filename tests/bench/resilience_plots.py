# SPDX-License-Identifier: Apache-2.0
"""The days as pictures: what callers waited, over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402

from pods import OK, Call  # noqa: E402

BIN_S = 0.5
FAILED_MS = 2000.0  # where failed calls are drawn: above every deadline


def plot(days: Mapping[str, Mapping[str, Sequence[Call]]], folder: Path) -> None:
    """One panel for each day, one line for each subject: the 99th percentile of each half second, as PNG and SVG."""
    figure, panels = pyplot.subplots(len(days), 1, figsize=(9, 2.4 * len(days)), sharex=False, squeeze=False)
    for panel, (title, subjects) in zip(panels[:, 0], days.items(), strict=True):
        for name, calls in subjects.items():
            times, worst = p99_over_time(calls)
            panel.plot(times, worst, label=name, linewidth=2 if name == "nodeway" else 1)
        panel.set_yscale("log")
        panel.set_title(title, fontsize=9, loc="left")
        panel.set_ylabel("p99, ms", fontsize=8)
        panel.tick_params(labelsize=8)
        panel.grid(alpha=0.3)
    panels[0, 0].legend(fontsize=7, ncol=3)
    panels[-1, 0].set_xlabel(f"seconds; a failed call counts as {FAILED_MS / 1000:g} s", fontsize=8)
    figure.tight_layout()
    for kind in ("png", "svg"):
        figure.savefig(folder / f"resilience.{kind}", dpi=110)
    pyplot.close(figure)


def p99_over_time(calls: Sequence[Call]) -> tuple[list[float], list[float]]:
    bins: dict[int, list[float]] = {}
    for call in calls:
        waited = call.took_ms if call.status == OK else FAILED_MS
        bins.setdefault(int(call.due_s / BIN_S), []).append(waited)
    ordered = sorted(bins.items())
    return ([number * BIN_S for number, _ in ordered],
            [sorted(waits)[-(len(waits) // 100) - 1] for _, waits in ordered])
