# SPDX-License-Identifier: Apache-2.0
"""Fixtures: one bed per session, one namespace per test."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from types import FrameType

import pytest

from router import Routers
from testbed.bed import TestBed


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def pytest_configure() -> None:
    """SIGTERM ends a run as Ctrl-C does: with teardown and a summary."""
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)


@pytest.fixture(scope="session")
def bed() -> Iterator[TestBed]:
    """A Kubernetes of three nodes."""
    bed = TestBed()
    bed.start()
    yield bed
    bed.wait_for_deleted_namespaces()
    bed.control_plane.stop()


@pytest.fixture
def namespace(bed: TestBed, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace whose pods are gone after the test."""
    words = re.sub(r"[^a-z0-9]+", "-", request.node.name.removeprefix("test_").lower())
    name = bed.make_namespace(words[:40].strip("-"))
    yield name
    bed.delete_namespace(name)


@pytest.fixture(scope="session")
def routers(bed: TestBed) -> Routers:
    """nodeway on every node, by `manifests/` as they are."""
    routers = Routers(bed)
    routers.install()
    return routers


@pytest.fixture
def configuration(routers: Routers) -> Iterator[str]:
    """The configuration as installed, and again after the test."""
    text = routers.configuration()
    yield text
    routers.restore(text)


_SANITIZER_REPORT = re.compile(r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error: ")


@pytest.fixture(autouse=True)
def no_sanitizer_reports(request: pytest.FixtureRequest) -> Iterator[None]:
    """A report in any container's log fails the test during which it was written."""
    yield
    if "bed" not in request.fixturenames:
        return
    logs = request.getfixturevalue("bed").logs
    reports = {path.name for path in logs.glob("*_*.log") if _SANITIZER_REPORT.search(path.read_text(errors="replace"))}
    new = reports - _reported
    _reported.update(new)
    assert not new, f"sanitizer reports in {logs}: {sorted(new)}"


_reported: set[str] = set()
