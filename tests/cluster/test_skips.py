# SPDX-License-Identifier: Apache-2.0
"""A test that is left out is seen: shown with runs of pytest over two little tests, in a folder of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_ONE_IS_SKIPPED = """
import pytest
def test_run(): pass
@pytest.mark.skip("why")
def test_left_out(): pass
"""
_BOTH_RUN = "def test_run(): pass\ndef test_left_out(): pass\n"
_DESELECTS = "def pytest_collection_modifyitems(config, items): config.hook.pytest_deselected(items=[items.pop()])\n"
_NAME = "test_example.py::test_left_out"


def _run(folder: Path, tests: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_example.py").write_text(tests)
    command = [sys.executable, "-m", "pytest", "-p", "skips", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_a_skipped_test_fails_the_run(tmp_path: Path) -> None:
    done = _run(tmp_path, _ONE_IS_SKIPPED)

    assert done.returncode == 1
    assert f"left out: {_NAME}: Skipped: why: NOT IN THE LIST OF EXCEPTIONS" in done.stdout


def test_a_skip_that_the_list_names_is_printed_and_fails_nothing(tmp_path: Path) -> None:
    exceptions = tmp_path / "skips.txt"
    exceptions.write_text(f"# a comment\n{_NAME}\tits reason\n")

    done = _run(tmp_path, _ONE_IS_SKIPPED, "--skips", str(exceptions))

    assert done.returncode == 0
    assert f"left out: {_NAME}: Skipped: why: its reason" in done.stdout


def test_a_test_that_is_deselected_in_silence_fails_the_run(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(_DESELECTS)

    done = _run(tmp_path, _BOTH_RUN)

    assert done.returncode == 1
    assert f"left out: {_NAME}: deselected" in done.stdout


def test_what_the_command_line_leaves_out_fails_nothing(tmp_path: Path) -> None:
    done = _run(tmp_path, _BOTH_RUN, "-k", "test_run")

    assert done.returncode == 0
    assert "left out" not in done.stdout
