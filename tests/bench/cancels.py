# SPDX-License-Identifier: Apache-2.0
"""How soon an endpoint sees that its caller has cancelled, straight and through nodeway."""

from __future__ import annotations

from collections.abc import Sequence

from bed import Bed, Process
from h2load import percentile
from subjects import start_nodeway
from tables import markdown, number

CANCELS = 200  # each way: enough for a 99th percentile that is not the slowest
TIMEOUT_S = 60.0


def report(bed: Bed, _runs: int, _seconds: float) -> str:
    """Straight and through nodeway in turn."""
    calculator = bed.binary("tests/demo/nodeway-calculator")
    serve = bed.start("calculator", [calculator, "serve", "--grpc", "127.0.0.1:0", "--pod", "pod"])
    pod = serve.await_line("listening")["grpc"]
    with serve, start_nodeway(bed, {"echo": [int(pod.rpartition(":")[2])]}) as router:
        ways = {
            "straight": ["--target", pod],
            "through nodeway": ["--target", router.address, "--authority", "echo.bench"],
        }
        found: dict[str, list[float]] = {way: [] for way in ways}
        for i in range(CANCELS):
            if i % 50 == 0:
                print(f"limits: cancels, {i} of {CANCELS}", flush=True)
            for way, flags in ways.items():
                with bed.start("probe", [calculator, "probe", "--cancels", "1", *flags]) as probe:
                    found[way] += seen_after_ms(bed, probe, way)
    return "### Cancel: until the endpoint's handler sees it\n\n" + render(found)


def seen_after_ms(bed: Bed, probe: Process, way: str) -> Sequence[float]:
    """The probe tells the slowest of its cancels, so it has one. Nothing, and a problem, if it was not seen."""
    code = probe.wait(TIMEOUT_S)
    done = probe.await_line("done") if probe.output.stat().st_size else {"failures": probe.last_words()}
    if code != 0:
        bed.note_problem(f"probe, {way}: {done['failures']}")
        return []
    return [done["slowest_cancel_ms"]]


def render(found: dict[str, list[float]]) -> str:
    rows = []
    for way, times in found.items():
        ordered = sorted(times)
        rows.append([way, str(len(ordered)), *(number(percentile(ordered, percent)) for percent in (50, 99, 100))])
    return markdown(["", "cancels", "median ms", "p99 ms", "slowest ms"], rows)
