# SPDX-License-Identifier: Apache-2.0
"""Calls of a real gRPC client, in a pod of one node, through that node's router to pods on all nodes."""

from __future__ import annotations

import time

import pytest

from calculator import (
    GRPC_GO,
    Load,
    addresses,
    assert_none_failed,
    deploy,
    in_flight_at_shutdown,
    wait_for_pods,
)
from router import Routers
from testbed.api import Object
from testbed.bed import TestBed
from testbed.wait import wait_until

# About a hundred calls in flight all the time, without keeping this machine's two cores busy.
_SLOW_CALLS = ("--delay", "200ms")
_STEADY_LOAD = ("--every", "2ms", "--concurrency", "200")
_LEAST_IN_FLIGHT = 20
# A pod's SIGTERM and the news of its end race to the routers. Here the news loses for certain, so that there are
# re-picks in every run.
_NEWS_DELAY_S = 0.3


def _shares(summary: Object) -> dict[str, float]:
    """Calls by pod, as parts of an even share."""
    pods = summary["operations"]["add"]["pods"]
    return {pod: calls * len(pods) / sum(pods.values()) for pod, calls in pods.items()}


@pytest.mark.parametrize("form", ["{}", "{}.svc", "{}.svc.cluster.local", "{}.svc.cluster.local.", "{}:80"])
def test_a_service_is_found_by_every_form_of_its_name(
    bed: TestBed, routers: Routers, namespace: str, form: str
) -> None:
    pods = deploy(bed, namespace, replicas=1)

    load = Load(bed, namespace, "--requests", "20", suffix="." + form.format(namespace))

    summary = load.result()
    assert_none_failed(summary)
    assert summary["operations"]["add"]["pods"] == {pods[0]["metadata"]["name"]: 20}


def test_every_node_has_a_router_that_reaches_the_pods_of_all_nodes(
    bed: TestBed, routers: Routers, namespace: str
) -> None:
    pods = deploy(bed, namespace, replicas=3)
    assert len({pod["spec"]["nodeName"] for pod in pods}) == 3

    loads = [Load(bed, namespace, "--requests", "300", node=node.name) for node in bed.nodes]

    for load in loads:
        summary = load.result()
        assert_none_failed(summary)
        assert set(summary["operations"]["add"]["pods"]) == {pod["metadata"]["name"] for pod in pods}


def test_round_robin_gives_each_pod_its_share_within_two_percent(
    bed: TestBed, routers: Routers, namespace: str, configuration: str
) -> None:
    routers.configure_and_wait(f"version: 1\nservices:\n  add.{namespace}: {{balancer: {{policy: round_robin}}}}\n")
    deploy(bed, namespace, replicas=3)
    router = routers.on("node-1")
    connections = routers.value(router, "nodeway_client_connections_total")
    repicks = routers.value(router, "nodeway_repicks_total")

    summary = Load(bed, namespace, "--requests", "3000", "--every", "1ms", node="node-1").result()

    assert_none_failed(summary)
    # Shares over many connections would be no news. Nobody else calls through this node meanwhile: probes and the
    # reading of metrics go to the admin port, which is not counted.
    assert routers.value(router, "nodeway_client_connections_total") == connections + 1
    assert summary["calls"] == 3000
    shares = _shares(summary)
    assert len(shares) == 3
    # A request whose pod is not connected within 20 ms goes to one that is; on a busy machine the first ones do.
    moved = (routers.value(router, "nodeway_repicks_total") - repicks) / (summary["calls"] / len(shares))
    assert moved < 0.3
    assert all(0.98 - moved <= share <= 1.02 + moved for share in shares.values()), (shares, moved)


def test_the_default_policy_starves_none_of_equal_pods(bed: TestBed, routers: Routers, namespace: str) -> None:
    deploy(bed, namespace, replicas=3)

    summary = Load(bed, namespace, "--every", "2ms", "--duration", "10s").result()

    assert_none_failed(summary)
    shares = _shares(summary)
    assert len(shares) == 3
    assert all(0.7 <= share <= 1.4 for share in shares.values()), shares


def test_a_pod_that_becomes_ready_gets_calls_at_once(bed: TestBed, routers: Routers, namespace: str) -> None:
    before = deploy(bed, namespace, replicas=2)
    load = Load(bed, namespace, "--every", "5ms")
    load.wait_for_calls(200)

    bed.kubectl("-n", namespace, "scale", "deployment/add", "--replicas=3")
    pods = wait_for_pods(bed, namespace, 3)

    new = {pod["metadata"]["name"] for pod in pods} - {pod["metadata"]["name"] for pod in before}
    # The load tells its counts once a second.
    load.wait_for(lambda line: new <= set(line.get("pods", {}).get("add", {})), 5, f"calls on {new}")
    assert_none_failed(load.stop())


def test_scaling_down_under_load_fails_no_call(bed: TestBed, routers: Routers, namespace: str) -> None:
    before = deploy(bed, namespace, replicas=4, backend=GRPC_GO, args=_SLOW_CALLS)
    load = Load(bed, namespace, *_STEADY_LOAD)
    load.wait_for_calls(1000)
    repicks = routers.total("nodeway_repicks_total")

    with bed.gate.delays(_NEWS_DELAY_S):
        bed.kubectl("-n", namespace, "scale", "deployment/add", "--replicas=2")
        left = wait_for_pods(bed, namespace, 2)
        load.wait_for_calls(1000)

    assert_none_failed(load.stop())
    _assert_ended_with_calls_in_flight(bed, _gone(before, left))
    assert routers.total("nodeway_repicks_total") > repicks


def test_a_rolling_update_under_load_fails_no_call(bed: TestBed, routers: Routers, namespace: str) -> None:
    before = deploy(bed, namespace, replicas=3, backend=GRPC_GO, args=_SLOW_CALLS)
    load = Load(bed, namespace, *_STEADY_LOAD)
    load.wait_for_calls(1000)
    repicks = routers.total("nodeway_repicks_total")

    with bed.gate.delays(_NEWS_DELAY_S):
        bed.kubectl("-n", namespace, "rollout", "restart", "deployment/add")
        bed.kubectl("-n", namespace, "rollout", "status", "deployment/add", "--timeout=120s")
        after = wait_for_pods(bed, namespace, 3)
        load.wait_for_calls(1000)

    summary = load.stop()
    assert_none_failed(summary)
    assert _gone(before, after) == before
    assert {pod["metadata"]["name"] for pod in after} <= set(summary["operations"]["add"]["pods"])
    _assert_ended_with_calls_in_flight(bed, before)
    assert routers.total("nodeway_repicks_total") > repicks


def test_a_rolling_update_of_grpc_cpp_servers_under_load_fails_no_call(
    bed: TestBed, routers: Routers, namespace: str
) -> None:
    before = deploy(bed, namespace, replicas=3, args=_SLOW_CALLS)
    load = Load(bed, namespace, *_STEADY_LOAD)
    load.wait_for_calls(1000)

    bed.kubectl("-n", namespace, "rollout", "restart", "deployment/add")
    bed.kubectl("-n", namespace, "rollout", "status", "deployment/add", "--timeout=120s")
    after = wait_for_pods(bed, namespace, 3)
    load.wait_for_calls(1000)

    assert_none_failed(load.stop())
    assert _gone(before, after) == before
    _assert_ended_with_calls_in_flight(bed, before)


def test_a_service_without_pods_fails_at_once_and_recovers(bed: TestBed, routers: Routers, namespace: str) -> None:
    deploy(bed, namespace, replicas=1)
    bed.kubectl("-n", namespace, "scale", "deployment/add", "--replicas=0")
    # While pods are on their way out, they are the ones that serve.
    bed.kubectl("-n", namespace, "wait", "--for=delete", "pod", "-l", "app=add", "--timeout=60s")
    wait_until(lambda: not addresses(bed, namespace), 30, "empty slices")

    began = time.monotonic()
    summary = Load(bed, namespace, "--requests", "20", "--concurrency", "1").result()
    took_s = time.monotonic() - began

    assert summary["failed"] == 20
    assert all(error.startswith("UNAVAILABLE") for error in summary["operations"]["add"]["errors"])
    assert took_s < 20  # none of them has waited for the 3 s that a pod in trouble would be given
    bed.kubectl("-n", namespace, "scale", "deployment/add", "--replicas=1")
    wait_for_pods(bed, namespace, 1)
    assert_none_failed(Load(bed, namespace, "--requests", "20").result())


def _gone(before: list[Object], after: list[Object]) -> list[Object]:
    uids = {pod["metadata"]["uid"] for pod in after}
    return [pod for pod in before if pod["metadata"]["uid"] not in uids]


def _assert_ended_with_calls_in_flight(bed: TestBed, pods: list[Object]) -> None:
    """Otherwise the test would have shown nothing."""
    in_flight = {pod["metadata"]["name"]: in_flight_at_shutdown(bed, pod) for pod in pods}
    assert sum(in_flight.values()) >= _LEAST_IN_FLIGHT, in_flight
