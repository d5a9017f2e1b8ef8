# SPDX-License-Identifier: Apache-2.0
"""The ConfigMap: a change is in force without a restart, and one that is wrong changes nothing but is told."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest

from calculator import Load, assert_none_failed, deploy
from router import NAMESPACE, Routers
from testbed.api import ApiError
from testbed.bed import TestBed
from testbed.wait import wait_until


def _with_timeout(namespace: str, timeout: str) -> str:
    return f"version: 1\nservices:\n  add.{namespace}: {{timeout: {{request: {timeout}}}}}\n"


def test_a_valid_change_is_in_force_at_once(bed: TestBed, routers: Routers, namespace: str, configuration: str) -> None:
    deploy(bed, namespace, replicas=1, args=("--delay", "300ms"))
    assert_none_failed(Load(bed, namespace, "--requests", "5").result())

    routers.configure_and_wait(_with_timeout(namespace, "100ms"))
    short = Load(bed, namespace, "--requests", "5").result()
    routers.configure_and_wait(_with_timeout(namespace, "5s"))
    long = Load(bed, namespace, "--requests", "5").result()

    assert short["failed"] == 5
    assert all(error.startswith("DEADLINE_EXCEEDED") for error in short["operations"]["add"]["errors"])
    assert_none_failed(long)


def test_a_wrong_change_is_told_by_an_event_and_the_last_good_one_stays(
    bed: TestBed, routers: Routers, namespace: str, configuration: str
) -> None:
    deploy(bed, namespace, replicas=1, args=("--delay", "300ms"))
    routers.configure_and_wait(_with_timeout(namespace, "100ms"))

    routers.configure("version: 1\nservces: {}\n")

    wait_until(lambda: routers.total("nodeway_config_valid") == 0, 15, "the refusal on every node")
    event = wait_until(
        lambda: next((event for event in routers.events() if "servces" in event["message"]), None), 15, "an Event"
    )
    assert event["type"] == "Warning"
    assert event["involvedObject"]["name"] == "nodeway"
    assert "2:1" in event["message"]  # line and column
    assert len(routers.pods()) == len(bed.nodes)  # still Ready
    assert Load(bed, namespace, "--requests", "5").result()["failed"] == 5  # by the timeout of the last good one


def test_a_deleted_configmap_leaves_the_last_good_configuration(
    bed: TestBed, routers: Routers, namespace: str, configuration: str
) -> None:
    deploy(bed, namespace, replicas=1, args=("--delay", "300ms"))
    routers.configure_and_wait(_with_timeout(namespace, "100ms"))

    routers.delete_configuration()

    assert Load(bed, namespace, "--requests", "5").result()["failed"] == 5
    assert len(routers.pods()) == len(bed.nodes)


_CONFIG_MAPS = f"/api/v1/namespaces/{NAMESPACE}/configmaps"


@pytest.fixture
def without_configmap(routers: Routers, configuration: str) -> Iterator[None]:
    """Whatever the ConfigMap became, it is made anew after the test."""
    yield
    routers.delete_configuration()


def test_an_immutable_configmap_is_changed_by_making_it_anew(
    bed: TestBed, routers: Routers, namespace: str, without_configmap: None
) -> None:
    deploy(bed, namespace, replicas=1, args=("--delay", "300ms"))
    routers.configure_and_wait(_with_timeout(namespace, "100ms"))
    bed.api.patch(f"{_CONFIG_MAPS}/nodeway", {"immutable": True})
    with pytest.raises(ApiError):
        routers.configure(_with_timeout(namespace, "5s"))

    routers.delete_configuration()
    gone = Load(bed, namespace, "--requests", "5").result()
    anew = {"nodeway.yaml": _with_timeout(namespace, "5s")}
    applied = routers.total("nodeway_config_applied_total")
    bed.api.create(_CONFIG_MAPS, {"metadata": {"name": "nodeway"}, "data": anew, "immutable": True})
    wait_until(
        lambda: routers.total("nodeway_config_applied_total") == applied + len(bed.nodes), 15, "it to be in force"
    )

    assert gone["failed"] == 5  # by the timeout of the one that was deleted
    assert_none_failed(Load(bed, namespace, "--requests", "5").result())


def test_a_document_in_binary_data_is_told_and_the_last_good_one_stays(
    bed: TestBed, routers: Routers, namespace: str, without_configmap: None
) -> None:
    deploy(bed, namespace, replicas=1, args=("--delay", "300ms"))
    routers.configure_and_wait(_with_timeout(namespace, "100ms"))

    binary = {"nodeway.yaml": base64.b64encode(b"version: 1\n").decode()}
    bed.api.patch(f"{_CONFIG_MAPS}/nodeway", {"data": {"nodeway.yaml": None}, "binaryData": binary})

    wait_until(lambda: routers.total("nodeway_config_valid") == 0, 15, "the refusal on every node")
    assert all("binaryData is not read" in routers.fetch(pod, "/ready") for pod in routers.pods())
    assert Load(bed, namespace, "--requests", "5").result()["failed"] == 5


def test_a_document_with_the_line_ends_and_the_mark_of_windows_is_taken(
    bed: TestBed, routers: Routers, namespace: str, configuration: str
) -> None:
    deploy(bed, namespace, replicas=1, args=("--delay", "300ms"))

    routers.configure_and_wait("\ufeff" + _with_timeout(namespace, "100ms").replace("\n", "\r\n"))

    assert Load(bed, namespace, "--requests", "5").result()["failed"] == 5
