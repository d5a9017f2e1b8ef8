# SPDX-License-Identifier: Apache-2.0
"""Fixtures: one bed per session, one namespace per test."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from types import FrameType

import pytest

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
