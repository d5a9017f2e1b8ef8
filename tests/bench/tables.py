# SPDX-License-Identifier: Apache-2.0
"""Figures as Markdown, and their place in a document."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from bed import Failed


def number(value: float) -> str:
    """Three significant digits: more would be noise."""
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞"
    digits = 2 if value == 0 else max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{min(digits, 3)}f}"


def median(values: Sequence[float]) -> float:
    return statistics.median(values) if values else math.nan


def spread(values: Sequence[float]) -> str:
    """How far the runs lie apart, of their median: what a difference must exceed to be one."""
    middle = median(values)
    return f"{(max(values) - min(values)) / middle:.0%}" if len(values) > 1 and middle else "–"


def ratio(values: Sequence[float], others: Sequence[float]) -> float:
    """Median of the ratios run by run: what changed between runs changed both."""
    return median([value / other for value, other in zip(values, others, strict=True) if other])


def standing(runs: Mapping[str, Sequence[float]], name: str, *, more_is_better: bool) -> str:
    """Whether this one's median is the best; if another's is better, whether their runs tell them apart."""
    sign = -1 if more_is_better else 1
    costs = {each: [sign * value for value in values] for each, values in runs.items() if values}
    ours = costs.pop(name, None)
    if not ours or not costs:
        return "–"
    best = min(costs, key=lambda each: median(costs[each]))
    if median(ours) <= median(costs[best]):
        return "best"
    return f"as {best}" if min(ours) <= max(costs[best]) else f"worse than {best}"


def markdown(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; the first column is text, the others are figures."""
    lines = [heads, ["---"] + ["---:"] * (len(heads) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def write_between_markers(path: Path, name: str, text: str) -> None:
    """Replaces what stands between `<!-- bench NAME -->` and `<!-- end NAME -->` in a document."""
    marked = re.compile(rf"(<!-- bench {name} -->\n).*?(<!-- end {name} -->)", re.DOTALL)
    document = path.read_text()
    replaced, found = marked.subn(lambda match: f"{match[1]}\n{text}\n{match[2]}", document)
    if found != 1:
        raise Failed(f"{path} has no markers for {name}")
    path.write_text(replaced)
