#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tells what of the data plane, and of what it is made from, the fuzzers' corpora run, and what the unit tests run besides.

Builds with gcc's counters, prints a table by folder, and leaves the lines themselves in build/coverage/corpora and
build/coverage/all. Fails if one of the folders that must be run is not.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build/coverage"
UNIT_TESTS = ("balancer_tests", "k8s_client_tests", "router_data_tests", "router_resolve_tests")
# What is not here is composed from the rest, and has tests of the whole process.
SOURCES = ("balancer/", "k8s_client/", r"router/(?!admin/|cli/|control/)")
REQUIRED = ("router/exchange", "router/pool")  # where bytes and calls of two peers meet
LEAST_SHARE = 0.5  # of their lines: others include some of their headers, and run those alone


@dataclass
class Share:
    """How much there is, and how much of it ran."""

    total: int = 0
    covered: int = 0

    def add(self, total: int, covered: int) -> None:
        self.total += total
        self.covered += covered

    def percent_of(self, total: int) -> str:
        return f"{100 * self.covered / total:.1f}" if total else "–"


class Coverage:
    """Of the files of one folder, or of all of them."""

    def __init__(self) -> None:
        self.lines, self.branches = Share(), Share()

    def add(self, file: Mapping[str, int]) -> None:
        self.lines.add(file["line_total"], file["line_covered"])
        self.branches.add(file["branch_total"], file["branch_covered"])


Folders = Mapping[str, Coverage]


def by_folder(summary: Mapping) -> Folders:
    """Of gcovr's JSON summary. A module is one folder, but for the router, whose folders are modules in themselves."""
    folders: dict[str, Coverage] = defaultdict(Coverage)
    for file in summary["files"]:
        parts = Path(file["filename"]).parent.parts
        folders["/".join(parts[:2] if parts[0] == "router" else parts[:1])].add(file)
    return dict(sorted(folders.items()))


def table(corpora: Folders, everything: Folders) -> str:
    """Markdown: how many lines and branches there are, and which percentage of them ran. Both are of one total: gcov knows
    a little less of what has never run."""
    rows = [("folder", "lines", "corpora %", "and unit tests %", "branches", "corpora %", "and unit tests %"),
            ("---", *["---:"] * 6)]
    for folder, both in everything.items():
        alone = corpora.get(folder, Coverage())
        rows.append((folder, *cells(alone.lines, both.lines), *cells(alone.branches, both.branches)))
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def cells(alone: Share, both: Share) -> tuple[str, str, str]:
    return str(both.total), alone.percent_of(both.total), both.percent_of(both.total)


def gaps(corpora: Folders) -> list[str]:
    """Folders that must be run by the corpora and are not, one line each."""
    found = []
    for folder in REQUIRED:
        if folder not in corpora:
            found.append(f"coverage: the report has no {folder}")
        elif corpora[folder].lines.covered < LEAST_SHARE * corpora[folder].lines.total:
            found.append(f"coverage: the corpora run less than {LEAST_SHARE:.0%} of the lines of {folder}")
    return found


def run_tests(pattern: str) -> None:
    subprocess.run(["ctest", "--test-dir", BUILD, "--no-tests=error", "--output-on-failure", "-R", pattern], check=True)


def collect(name: str, text: str) -> Folders:
    """What has run since the counters were cleared; also as HTML, in a folder of that name."""
    print(f"reading the counters: {text}", flush=True)
    folder = BUILD / name
    folder.mkdir(exist_ok=True)
    summary = folder / "summary.json"
    filters: Iterable[str] = (option for source in SOURCES for option in ("--filter", source))
    # The branches of an exception and of an assertion are never to be taken, and would hide those that are.
    subprocess.run(["gcovr", "--root", ROOT, *filters, "--exclude-throw-branches", "--exclude-unreachable-branches",
                    "--exclude-branches-by-pattern", r"\s*assert\(", "-j", str(os.cpu_count()), "--json-summary", summary,
                    "--html-details", folder / "index.html", "--html-title", f"nodeway: {text}", BUILD],
                   check=True, cwd=ROOT)
    return by_folder(json.loads(summary.read_text()))


def main() -> int:
    subprocess.run([ROOT / "cmake/build.sh", "coverage", "fuzzers", *UNIT_TESTS], check=True)
    for counters in BUILD.rglob("*.gcda"):
        counters.unlink()
    run_tests("^fuzz_")
    corpora = collect("corpora", "what the fuzzers' corpora run")
    run_tests(f"^({'|'.join(UNIT_TESTS)})$")
    everything = collect("all", "what the fuzzers' corpora and the unit tests run")
    print(f"\n{table(corpora, everything)}\nline by line: build/coverage/corpora/index.html, build/coverage/all/index.html")
    missing = gaps(corpora)
    print("\n".join(missing), end="\n" if missing else "", file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as failure:
        sys.exit(f"coverage: {failure}")
