#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails if ctest skipped a test that is not in the list of exceptions, and prints those that are.

usage: check_skips.py JUNIT_XML EXCEPTIONS
"""

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path


def read_exceptions(path: Path) -> dict[str, str]:
    """Name of the test to the reason why it may be skipped."""
    lines = (line for line in path.read_text().splitlines() if line and not line.startswith("#"))
    return dict(line.split("\t", 1) for line in lines)


def skipped_tests(path: Path) -> list[str]:
    """Names of the tests that ctest did not run."""
    cases = ElementTree.parse(path).getroot().iter("testcase")
    return [case.get("name", "") for case in cases if case.get("status") in ("notrun", "disabled")]


def main() -> int:
    exceptions = read_exceptions(Path(sys.argv[2]))
    unexpected = False
    for name in skipped_tests(Path(sys.argv[1])):
        print(f"skipped: {name}: {exceptions.get(name, 'NOT IN THE LIST OF EXCEPTIONS')}")
        unexpected = unexpected or name not in exceptions
    return 1 if unexpected else 0


if __name__ == "__main__":
    sys.exit(main())
