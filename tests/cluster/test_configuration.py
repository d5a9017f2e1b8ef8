# SPDX-License-Identifier: Apache-2.0
"""The ConfigMap: a change is in force without a restart, and one that is wrong changes nothing but is told."""

from __future__ import annotations

from calculator import Load, assert_none_failed, deploy
from router import Routers
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
