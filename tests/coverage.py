#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""coverage.py CORPORA.json ALL.json: of two summaries of llvm-cov, a line for each folder of the code."""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CODE = ("balancer", "k8s_client", "router")


def lines_by_folder(summary: Path) -> dict[str, tuple[int, int]]:
    """Lines that were reached, and all lines, of each folder."""
    folders: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for file in json.loads(summary.read_text())["data"][0]["files"]:
        path = Path(file["filename"])
        if path.is_relative_to(ROOT) and path.relative_to(ROOT).parts[0] in CODE:
            lines = file["summary"]["lines"]
            sums = folders[str(path.relative_to(ROOT).parent)]
            sums[0] += lines["covered"]
            sums[1] += lines["count"]
    return {folder: (reached, total) for folder, (reached, total) in folders.items()}


def main() -> None:
    corpora, everything = (lines_by_folder(Path(path)) for path in sys.argv[1:3])
    print(f"{'folder':24} {'lines':>7} {'corpora':>8} {'all unit tests':>15}")
    for folder, (reached, total) in sorted(everything.items()):
        by_corpora = corpora.get(folder, (0, total))[0]
        print(f"{folder:24} {total:7} {by_corpora / total:8.0%} {reached / total:15.0%}")


if __name__ == "__main__":
    main()
