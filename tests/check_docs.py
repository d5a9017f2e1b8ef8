#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails where the documentation says what is not so: dead links, files that do not exist, a table of errors that is not
the code's, tests that nobody runs, diagrams of an unknown kind.

usage: check_docs.py ROOT
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)
SOURCE = re.compile(r"`((?:balancer|cmake|docs|k8s_client|manifests|router|tests)/[\w./-]*)`")
VERDICT = re.compile(r'Verdict\{\s*Errc::\w+,\s*"(\w+)",\s*(\d+),\s*(\d+),\s*Sent::(\w+),\s*"([^"]*)"\s*\}')
ERROR_ROW = re.compile(r"^\| `(\w+)` \| (\d+) \| (\d+) \| (\w+) \| (.*) \|$", re.MULTILINE)
RULE_ROW = re.compile(r"^\| \d+ \|(?:[^|]*\|){3}([^|]*)\|$", re.MULTILINE)
TEST_CASE = re.compile(r'TEST_CASE\(\s*"((?:[^"\\]|\\.)*)"')
PYTHON_TEST = re.compile(r"^def (test_\w+)", re.MULTILINE)
DIAGRAM_KINDS = ("flowchart", "sequenceDiagram", "stateDiagram-v2")


def documents(root: Path) -> list[Path]:
    """Every Markdown file but those in build trees and other hidden or generated folders."""
    found = root.rglob("*.md")
    hidden = (".", "build", "node_modules")
    return sorted(path for path in found if not path.relative_to(root).parts[0].startswith(hidden))


def anchors(text: str) -> set[str]:
    """The fragments that GitHub makes of the headings."""
    plain = (re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in HEADING.findall(FENCE.sub("", text)))
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in plain}


def dead_links(path: Path, text: str) -> Iterator[str]:
    """Relative links whose file, or whose heading in it, does not exist."""
    for link in LINK.findall(FENCE.sub("", text)):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, fragment = link.partition("#")
        target = path.parent / name if name else path
        if not target.exists():
            yield f"dead link: {link}"
        elif fragment and target.suffix == ".md" and fragment not in anchors(target.read_text()):
            yield f"no such heading: {link}"


def missing_files(root: Path, text: str) -> Iterator[str]:
    """Files and folders of the tree that are named in `code` but are not there."""
    for name in SOURCE.findall(FENCE.sub("", text)):
        if not (root / name).exists():
            yield f"no such file: {name}"


def unknown_diagrams(text: str) -> Iterator[str]:
    """Mermaid blocks that GitHub would show as an error for their first line."""
    for language, body in FENCE.findall(text):
        if language == "mermaid" and not body.lstrip().startswith(DIAGRAM_KINDS):
            yield f"unknown diagram: {body.splitlines()[0] if body else 'empty'}"


def test_names(root: Path) -> set[str]:
    """What the cases of the C++ and Python tests are called."""
    names: set[str] = set()
    for path in (root / "tests").rglob("*_test.cpp"):
        names.update(TEST_CASE.findall(re.sub(r'(?<!\\)"\s+"', "", path.read_text())))
    for path in (root / "tests").rglob("test_*.py"):
        names.update(PYTHON_TEST.findall(path.read_text()))
    return {name.replace('\\"', '"') for name in names}


def missing_tests(root: Path) -> Iterator[str]:
    """Tests that the numbered rows of these pages name in their last column but that nobody runs."""
    known = test_names(root)
    for page in ("docs/complaints.md", "docs/kubernetes.md"):
        path = root / page
        rows = RULE_ROW.findall(path.read_text()) if path.exists() else []
        for name in (name for cell in rows for name in re.findall(r"`([^`]+)`", cell)):
            if name not in known:
                yield f"{page}: no such test: {name}"


def wrong_errors(root: Path) -> Iterator[str]:
    """Rows of docs/errors.md that differ from the table in router/errc.cpp, in the order of the code."""
    code = VERDICT.findall(re.sub(r'"\s+"', "", (root / "router/errc.cpp").read_text()))
    said = ERROR_ROW.findall((root / "docs/errors.md").read_text())
    if not code:
        yield "docs/errors.md: router/errc.cpp has no table that can be read"
    for row in code:
        if row not in said:
            yield f"docs/errors.md: lacks the row {' | '.join(row)}"
    for row in said:
        if row not in code:
            yield f"docs/errors.md: has a row that router/errc.cpp has not: {' | '.join(row)}"
    if sorted(code) == sorted(said) and code != said:
        yield "docs/errors.md: has the rows of router/errc.cpp in another order"


def faults(root: Path) -> list[str]:
    """Everything that is wrong, one line each."""
    found = []
    for path in documents(root):
        text = path.read_text()
        for fault in (*dead_links(path, text), *missing_files(root, text), *unknown_diagrams(text)):
            found.append(f"{path.relative_to(root)}: {fault}")
    return [*found, *wrong_errors(root), *missing_tests(root)]


def main() -> int:
    found = faults(Path(sys.argv[1]))
    for fault in found:
        print(fault)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
