#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures nodeway and prints tables. Nothing is judged here: the exit code is 1 only if something did not work.

tests/bench/run.sh builds and installs what this needs.
"""

from __future__ import annotations

import argparse
import resource
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn

import attacks
import bodies
import held
import http1
import instructions
import limits
import pick
import proxy
import workers
from bed import Bed, Failed
from tables import write_between_markers

ROOT = Path(__file__).resolve().parents[2]
Parts = Mapping[str, Callable[[Bed, int, float], str]]
PARTS: Parts = {
    "proxy": proxy.report,
    "bodies": bodies.report,
    "http1": http1.report,
    "workers": workers.report,
    "instructions": instructions.report,
    "held": held.report,
    "pick": pick.report,
    "limits": limits.report,
    "attacks": attacks.report,
}


def arguments(parts: Parts) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(parts)}; all by default")
    parser.add_argument("--runs", type=int, default=5, help="of each figure; the median counts (default 5)")
    parser.add_argument("--seconds", type=float, default=3, help="that each run takes, roughly (default 3)")
    parser.add_argument("--output", type=Path, help="document whose tables are replaced: docs/performance.md")
    parser.add_argument("--build", type=Path, default=ROOT / "build/release", help="build folder with the binaries")
    chosen = parser.parse_args()
    for part in chosen.parts:
        if part not in parts:
            parser.error(f"no part {part}; there are {', '.join(parts)}")
    if not 1 <= chosen.runs <= 100 or not 0.1 <= chosen.seconds <= 60:
        parser.error("--runs is from 1 to 100, --seconds from 0.1 to 60")
    return chosen


def machine(bed: Bed, others_share: float) -> str:
    """What the figures were taken on. No date: the commit has one."""
    models = [line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
              if line.startswith("model name")]
    # Absolute figures of a machine that does other work mean little; ratios still do.
    busy = f", which spent {others_share:.0%} of its time on other work meanwhile" if others_share >= 0.05 else ""
    return (f"{len(models)} × {models[0] if models else 'unknown CPU'}{busy}. "
            f"Unless the tables say otherwise, what is measured ran on CPU {bed.measured_cpus[0]}, everything else on "
            f"{', '.join(map(str, bed.other_cpus))}.")


def run_part(bed: Bed, parts: Parts, name: str, chosen: argparse.Namespace) -> None:
    """Measures, prints, and writes into the document if there is to be one."""
    problems_before = len(bed.problems)
    others_share = bed.watch_other_work()
    text = parts[name](bed, chosen.runs, chosen.seconds)
    how = f"{machine(bed, others_share())} {chosen.runs} runs of {chosen.seconds:g} s.\n"
    print(f"\n## {name}\n\n{how}\n{text}", flush=True)
    if chosen.output and len(bed.problems) == problems_before:
        write_between_markers(chosen.output, name, f"{how}\n{text}")


def main(parts: Parts) -> int:
    """Runs the parts that the command line names."""
    chosen = arguments(parts)
    # Both end, on the way out, everything that was started. A shell's background jobs begin with SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files[1], files[1]))
    began_at = time.monotonic()
    with Bed(chosen.build) as bed:
        for name in chosen.parts or parts:
            try:
                run_part(bed, parts, name, chosen)
            except (Failed, OSError) as failure:
                bed.note_problem(f"{name}: {failure}")
    print(f"took {time.monotonic() - began_at:.0f} s; {len(bed.problems)} problems")
    return 1 if bed.problems else 0


def run_as_program(parts: Parts) -> NoReturn:
    """`main`, and its exit code; that of an interrupted program after Ctrl-C."""
    try:
        sys.exit(main(parts))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    run_as_program(PARTS)
