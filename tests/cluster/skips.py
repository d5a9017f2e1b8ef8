# SPDX-License-Identifier: Apache-2.0
"""A plugin of pytest: a run that left out a test has failed, and says which, and why.

`tests/skips.txt` names the exceptions: here the name is pytest's own, such as `test_outage.py::test_that`. What the
command line leaves out (-k, -m, --deselect) is its caller's will.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

_TESTS = Path(__file__).resolve().parents[1]
sys.path.append(str(_TESTS))  # last: its folders have the names of some modules here

from check_skips import read_exceptions  # noqa: E402


def pytest_addoption(parser: pytest.Parser) -> None:
    """--skips FILE: another list of exceptions."""
    parser.addoption("--skips", type=Path, default=_TESTS / "skips.txt", help="tests that may be skipped")


def pytest_configure(config: pytest.Config) -> None:
    """Begins to take notes."""
    chosen = any(config.getoption(name) for name in ("keyword", "markexpr", "deselect"))
    config.pluginmanager.register(_LeftOut(read_exceptions(config.getoption("--skips")), chosen))


class _LeftOut:
    """Notes of one run."""

    def __init__(self, exceptions: dict[str, str], is_selection: bool) -> None:
        self._exceptions = exceptions
        self._is_selection = is_selection
        self._found: dict[str, str] = {}
        """What happened, by test."""

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        if not self._is_selection:
            self._found |= {item.nodeid: "deselected" for item in items}

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._note(report)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._note(report)

    def _note(self, report: pytest.CollectReport | pytest.TestReport) -> None:
        if report.skipped:  # also of an expected failure
            why = report.longrepr[2] if isinstance(report.longrepr, tuple) else "expected to fail"
            self._found[report.nodeid] = why

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if session.exitstatus == pytest.ExitCode.OK and self._found.keys() - self._exceptions.keys():
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for name, what in self._found.items():
            reason = self._exceptions.get(name, "NOT IN THE LIST OF EXCEPTIONS")
            terminalreporter.write_line(f"left out: {name}: {what}: {reason}")
