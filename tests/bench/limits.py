# SPDX-License-Identifier: Apache-2.0
"""The promises that have figures: cancel, back-pressure, probes, memory."""

from __future__ import annotations

import cancels
import memory
import probes
import stalls
from bed import Bed, Failed

PROMISES = (cancels, stalls, probes, memory)


def report(bed: Bed, runs: int, seconds: float) -> str:
    """One table for each; one that cannot be measured leaves the others."""
    tables = []
    for promise in PROMISES:
        try:
            tables.append(promise.report(bed, runs, seconds))
        except (Failed, OSError) as failure:
            bed.note_problem(f"{promise.__name__}: {failure}")
    return "\n".join(tables)
