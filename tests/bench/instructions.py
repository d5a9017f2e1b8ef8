# SPDX-License-Identifier: Apache-2.0
"""What a call costs in user space, counted rather than timed: instructions and calls of the allocator.

Valgrind's callgrind runs the proxy. Of two runs that differ in their number of calls, the difference is what calls
cost; it is the same within a percent on every machine, busy or not. What the kernel does for a call is not in it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h2load
from backends import Server, start_backend
from bed import Bed, Failed, program
from h2load import Shape
from subjects import NODEWAY, PROXIES, Subject
from tables import markdown, number

SHAPES = (Shape(10, 10), Shape(50, 20), Shape(200, 1))
BACKENDS = 3
FEW, MANY = 2_000, 10_000  # calls of the two runs
UNCOUNTED = ("Envoy",)  # under valgrind it took 23 s to listen, more than START_S

ALLOCATING = re.compile(r"(malloc|calloc|realloc|aligned_alloc|posix_memalign|operator new(\[\])?\(.*)$")
NAMED = re.compile(r"^(c?fn)=\((\d+)\)(?: (.*))?$")
TOTAL = re.compile(r"^(?:totals|summary): (\d+)", re.MULTILINE)


@dataclass(frozen=True)
class Count:
    """Of a process's whole life, or of one call."""

    instructions: float
    allocations: float

    def per_call_since(self, before: Count, calls: int) -> Count:
        return Count((self.instructions - before.instructions) / calls, (self.allocations - before.allocations) / calls)


def report(bed: Bed, _runs: int, _seconds: float) -> str:
    """One run of each, whatever was asked for: a second one would say the same."""
    backends = [start_backend(bed) for _ in range(BACKENDS)]
    counted = [subject for subject in PROXIES if subject.name not in UNCOUNTED]
    parts = []
    for shape in SHAPES:
        counts: dict[str, Count] = {}
        for subject in counted:
            print(f"instructions: {shape}, {subject.name}", flush=True)
            try:
                counts[subject.name] = of_one_call(bed, subject, backends, shape)
            except Failed as failure:
                bed.note_problem(f"{subject.name}, {shape}: {failure}")
        parts += [f"### {shape}, in user space\n", render(counts)]
    return "\n".join(parts)


def of_one_call(bed: Bed, subject: Subject, backends: Sequence[Server], shape: Shape) -> Count:
    few, many = (count(bed, subject, backends, shape, calls) for calls in (FEW, MANY))
    return many.per_call_since(few, MANY - FEW)


def count(bed: Bed, subject: Subject, backends: Sequence[Server], shape: Shape, calls: int) -> Count:
    """Of a fresh process that serves so many calls, from its start to its end."""
    profile = bed.folder / "callgrind.out"
    profile.unlink(missing_ok=True)
    with bed.measuring_under([program("valgrind"), "--tool=callgrind", f"--callgrind-out-file={profile}"]):
        with subject.start(bed, backends) as server:
            h2load.run(bed, server.port, shape, calls, with_latencies=False)
    if not profile.is_file():
        raise Failed(f"it was not counted: {server.process.last_words()}")
    return parse(profile)


def parse(profile: Path) -> Count:
    """Of what callgrind wrote: a function's name stands where its number comes first."""
    names: dict[str, str] = {}
    of = {"fn": "", "cfn": ""}
    allocations = 0
    text = profile.read_text(errors="replace")
    for line in text.splitlines():
        if named := NAMED.match(line):
            kind, key, name = named.groups()
            of[kind] = names.setdefault(key, name or "")
        elif line.startswith("calls=") and ALLOCATING.match(of["cfn"]) and not ALLOCATING.match(of["fn"]):
            allocations += int(line.removeprefix("calls=").split()[0])
    total = TOTAL.search(text)
    if not total:
        raise Failed(f"callgrind wrote no total into {profile}")
    return Count(int(total[1]), allocations)


def render(counts: dict[str, Count]) -> str:
    """One row for each subject."""
    peers = [count.instructions for name, count in counts.items() if name != NODEWAY.name]
    return markdown(
        ["", "instructions per call", "of the best peer's", "allocations per call"],
        ([name, f"{count.instructions:,.0f}", number(count.instructions / min(peers)) if peers else "–",
          number(count.allocations)] for name, count in counts.items()))
