#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Bad days: what callers see of pods that are slow, fail, freeze, start cold or go, and of neighbours that flood.

tests/bench/resilience.sh builds and installs what this needs. `--seconds` is the length of a day.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import h2load
from backends import Server, start_backend
from bed import Bed, Failed, humble, program
from bench import ROOT, run_as_program
from pods import OK, Outcome, Pod, calls_of, start_load
from resilience_plots import plot
from resilience_subjects import CART, NODEWAY, OTHER, ROUND_ROBIN, SUBJECTS, Subject, neighbours_target
from tables import markdown, median, number, standing

PODS = 5
RPS = 500
DEADLINE_MS = 1000
WARM_UP_S = 2  # before it turns bad: connections opened, estimates made
RECOVERY_S = 2  # of a day, after a trouble that ends
PATIENCE_S = 30.0  # for the load to end, beyond its length
GOOD_US, SLOW_US = 5_000, 50_000


@dataclass(frozen=True)
class Stage:
    """What a day has to play with."""

    bed: Bed
    pods: Sequence[Pod]
    port: int  # of the subject
    neighbours_target: str  # where the subject is reached by another caller than the one of the calls
    trouble_s: float  # for so long

    @property
    def bad(self) -> Pod:
        return self.pods[-1]


def nothing(_stage: Stage) -> None:
    """The trouble has been there from the beginning."""


def freeze(stage: Stage) -> None:
    stage.bad.freeze()
    time.sleep(stage.trouble_s)
    stage.bad.thaw()


def join_cold(stage: Stage) -> None:
    stage.bad.start(service_us=SLOW_US)
    time.sleep(stage.trouble_s)
    stage.bad.set(service_us=GOOD_US)


def restart_all(stage: Stage) -> None:
    for pod in stage.pods:
        began_at = time.monotonic()
        pod.restart()
        time.sleep(max(0.0, began_at + stage.trouble_s / PODS - time.monotonic()))


def flood(stage: Stage) -> None:
    """One caller that has a thousand calls to another service under way, as fast as they are answered.

    It has what the calls and the pods leave of their CPU, so that what these lose they lose to the subject.
    """
    greedy = stage.bed.start("h2load", humble([
        program("h2load"), "--clients=10", "--max-concurrent-streams=100",
        f"--duration={max(1, round(stage.trouble_s))}", f"--header=:authority: {OTHER}",
        f"http://{stage.neighbours_target}/{h2load.METHOD}"]))
    greedy.wait(stage.trouble_s + PATIENCE_S)


@dataclass(frozen=True)
class Day:
    """One kind of trouble."""

    letter: str
    title: str
    trouble: Callable[[Stage], None]
    bad: dict[str, int] | None = None  # how the bad pod works from the beginning; None: as the others
    all: dict[str, int] | None = None  # how all work
    bad_is_absent: bool = False  # until the trouble begins
    rps: int = RPS
    trouble_s: int | None = None  # for so long; None: for what `--seconds` leaves
    beside: str = ""  # the letter of the day that it is compared with, if any: of the same run


DAYS = (
    Day("a", "one pod of five ten times slower", nothing, bad={"service_us": SLOW_US}),
    Day("b", "one pod of five fails half of its calls at once", nothing, bad={"failures_permille": 500}),
    Day("c", "one pod of five freezes (SIGSTOP) for ten seconds", freeze, trouble_s=10),
    Day("d", "a fifth pod joins, and is ten times slower for its first half minute", join_cold, bad_is_absent=True,
        trouble_s=30),
    Day("e", "all pods restart, one after the other", restart_all),
    Day("f", "1.5 times as many calls as the pods can take", nothing, all={"service_us": 10_000, "workers": 1},
        rps=PODS * 150),
    Day("g0", "no trouble: what (g) is compared with", nothing),
    Day("g", "a neighbour floods another service", flood, beside="g0"),
)


def report(bed: Bed, runs: int, seconds: float) -> str:
    """The runs of all subjects interleaved, so that what else the machine does meets all alike."""
    usual_trouble_s = max(PODS, round(seconds) - WARM_UP_S - RECOVERY_S)
    figures: dict[str, dict[str, list[Sequence[float]]]] = defaultdict(lambda: defaultdict(list))
    last: dict[str, dict[str, Outcome]] = defaultdict(dict)
    with start_backend(bed, is_humble=True) as other:  # as its caller, the neighbour: see `flood`
        for run in range(1, runs + 1):
            for day in DAYS:
                for subject in SUBJECTS:
                    print(f"resilience: run {run} of {runs}, ({day.letter}) {day.title}, {subject.name}", flush=True)
                    try:
                        outcome = live_through(bed, day, subject, other, day.trouble_s or usual_trouble_s)
                    except Failed as failure:
                        bed.note_problem(f"{subject.name}, ({day.letter}): {failure}")
                        continue
                    figures[day.letter][subject.name].append(figures_of(outcome))
                    last[day.letter][subject.name] = outcome
    plot({f"({day.letter}) {day.title}": {name: outcome.calls for name, outcome in last[day.letter].items()}
          for day in DAYS}, ROOT / "docs/images")
    return render(figures, usual_trouble_s)


def live_through(bed: Bed, day: Day, subject: Subject, other: Server, trouble_s: int) -> Outcome:
    """Fresh processes: no day is better for the one before."""
    length_s = WARM_UP_S + trouble_s + RECOVERY_S
    pods = [Pod(bed, f"pod-{i}") for i in range(PODS)]
    stage_pods = pods[:-1] if day.bad_is_absent else pods
    for pod in stage_pods:
        pod.start(**(day.all or {}))
    if day.bad:
        pods[-1].set(**day.bad)
    try:
        with subject.start(bed, pods, other) as server:
            load = start_load(bed, server.port, CART, rps=day.rps, seconds=length_s, deadline_ms=DEADLINE_MS)
            time.sleep(WARM_UP_S)
            day.trouble(Stage(bed, pods, server.port, neighbours_target(server), trouble_s))
            calls = calls_of(load, length_s + PATIENCE_S)
        work = [pod.work() for pod in pods]
    finally:
        for pod in pods:
            pod.stop()
    judged = [call for call in calls if call.due_s >= WARM_UP_S]
    done = sum(pod["done"] for pod in work)
    got = sum(call.status == OK for call in calls)
    return Outcome(judged, bad_pod=pods[-1].name, lost_work=max(0, done - got) / len(calls))


def figures_of(outcome: Outcome) -> Sequence[float]:
    return (outcome.success() * 100, *(outcome.latency_ms(percent) for percent in (50, 99, 99.9)),
            outcome.bad_share() * 100, outcome.lost_work * 100)


SUCCESS = 0  # the column in which more is better
HEADS = ("", "success %", "p50 ms", "p99 ms", "p99.9 ms", "share of the bad pod %", "work lost %",
         "p99 over round robin's")


def render(figures: dict[str, dict[str, list[Sequence[float]]]], trouble_s: int) -> str:
    """How nodeway stands in all of it, and a table for each day."""
    parts = [f"{PODS} pods of {GOOD_US / 1000:g} ms, {RPS} calls a second over one connection, deadline "
             f"{DEADLINE_MS / 1000:g} s, troubles of {trouble_s} s where nothing else is said.\n",
             "nodeway beside the best of the others:\n",
             markdown(("day", *HEADS[1:-1]), (
                 [f"({day.letter})", *(standing({name: [run[column] for run in runs] for name, runs in figures[day.letter].items()},
                                             NODEWAY.name, more_is_better=column == SUCCESS)
                                    for column in range(len(HEADS) - 2))]
                 for day in DAYS))]
    for day in DAYS:
        parts.append(f"### ({day.letter}) {day.title}\n")
        rows = {name: [median(column) for column in zip(*runs, strict=True)]
                for name, runs in figures[day.letter].items()}
        base = rows.get(ROUND_ROBIN.name)
        heads = (*HEADS, f"p50 above ({day.beside})'s, ms", f"p99 above ({day.beside})'s, ms") if day.beside else HEADS
        parts.append(markdown(heads, (
            [name, *map(number, values), number(values[2] / base[2]) if base else "–",
             *(above(figures, day, name, column) for column in (1, 2) if day.beside)]
            for name, values in rows.items())))
    return "\n".join(parts)


def above(figures: dict[str, dict[str, list[Sequence[float]]]], day: Day, name: str, column: int) -> str:
    """By how much a figure of the day is above that of the other in the same run."""
    runs, others = figures[day.letter][name], figures[day.beside][name]
    if len(runs) != len(others):
        return "–"
    return number(median([run[column] - other[column] for run, other in zip(runs, others, strict=True)]))


if __name__ == "__main__":
    run_as_program({"resilience": report})
