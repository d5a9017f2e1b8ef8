# SPDX-License-Identifier: Apache-2.0
"""What the routers do while the API server is away, out of reach, or ends its watches."""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Iterator

import pytest

from calculator import Load, assert_none_failed, deploy, wait_for_pods
from router import NAMESPACE, Routers, total_of
from testbed.bed import TestBed
from testbed.wait import wait_until

_OUTAGE_S = 60 if os.environ.get("NODEWAY_TEST_LONG") == "1" else 20
_WATCHED = ("services", "endpointslices", "configmaps")
_TOKEN_READ_AGAIN_S = 60  # k8s_client/credentials.hpp


@pytest.fixture(autouse=True)
def watches(routers: Routers) -> Iterator[None]:
    """Open before a test, and again after it: their back-off of up to 30 s belongs to no other test."""
    routers.wait_for_watches()
    yield
    routers.wait_for_watches()


def _server_counts(bed: TestBed, verb: str) -> dict[str, float]:
    """Requests that the API server has served, by resource, in its own count."""
    text = bed.api.text("GET", "/metrics")
    return {name: total_of(text, "apiserver_request_total", verb=verb, resource=name) for name in _WATCHED}


def test_watches_that_are_cut_go_on_without_a_list(bed: TestBed, routers: Routers, namespace: str) -> None:
    before = {pod["metadata"]["name"] for pod in deploy(bed, namespace, replicas=2)}
    lists, ended = _server_counts(bed, "LIST"), _server_counts(bed, "WATCH")
    open_watches = len(_WATCHED) * len(bed.nodes)

    for _ in range(3):
        watches = routers.total("nodeway_watch_watches_total")
        assert bed.gate.cut() >= open_watches
        wait_until(
            lambda goal=watches + open_watches: routers.total("nodeway_watch_watches_total") >= goal,
            60,
            "all watches of all routers to be accepted again",
        )

    assert _server_counts(bed, "LIST") == lists
    # The server counts a watch when it has ended.
    assert all(count >= ended[name] + 3 * len(bed.nodes) for name, count in _server_counts(bed, "WATCH").items())
    bed.kubectl("-n", namespace, "scale", "deployment/add", "--replicas=3")
    new = {pod["metadata"]["name"] for pod in wait_for_pods(bed, namespace, 3)} - before
    load = Load(bed, namespace, "--every", "5ms")
    load.wait_for(lambda line: new <= set(line.get("pods", {}).get("add", {})), 10, f"calls on {new}")
    assert_none_failed(load.stop())


def test_an_outage_of_the_api_server_fails_no_call(bed: TestBed, routers: Routers, namespace: str) -> None:
    before = deploy(bed, namespace, replicas=3)
    load = Load(bed, namespace, "--every", "5ms")
    load.wait_for_calls(200)
    calls = load.latest()["calls"]

    bed.control_plane.kill_api_server()
    time.sleep(_OUTAGE_S)
    during = load.latest()["calls"] - calls
    bed.control_plane.bring_back()
    bed.kubectl("-n", namespace, "scale", "deployment/add", "--replicas=4")
    new = {pod["metadata"]["name"] for pod in wait_for_pods(bed, namespace, 4)}
    new -= {pod["metadata"]["name"] for pod in before}

    assert during >= 20 * _OUTAGE_S
    load.wait_for(lambda line: new <= set(line.get("pods", {}).get("add", {})), 60, f"calls on {new}")
    assert_none_failed(load.stop())


def test_changes_made_while_the_api_server_is_out_of_reach_arrive_later(
    bed: TestBed, routers: Routers, namespace: str
) -> None:
    before = {pod["metadata"]["name"] for pod in deploy(bed, namespace, replicas=2)}
    load = Load(bed, namespace, "--every", "5ms")
    load.wait_for_calls(200)

    bed.gate.close()
    bed.kubectl("-n", namespace, "scale", "deployment/add", "--replicas=3")
    new = {pod["metadata"]["name"] for pod in wait_for_pods(bed, namespace, 3)} - before
    load.wait_for_calls(400)
    early = new & set(load.calls_by_pod())
    bed.gate.open()

    load.wait_for(lambda line: new <= set(line.get("pods", {}).get("add", {})), 60, f"calls on {new}")
    assert_none_failed(load.stop())
    assert early == set()  # otherwise the routers were not cut off at all


@pytest.mark.long
def test_a_rotated_token_is_read_again(bed: TestBed, routers: Routers) -> None:
    pods = routers.pods()
    for pod in pods:
        bed.runner(pod).rotate_tokens()
    ids = {_token_id(bed, pod) for pod in pods}
    time.sleep(_TOKEN_READ_AGAIN_S + 1)

    bed.gate.cut()

    wait_until(lambda: ids <= _token_ids_seen(bed), 60, "requests with the new tokens")


def _token_id(bed: TestBed, pod: dict[str, object]) -> str:
    token = bed.execute(pod, "cat", "/var/run/secrets/kubernetes.io/serviceaccount/token").stdout
    payload = token.split(".")[1]
    return str(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["jti"])


def _token_ids_seen(bed: TestBed) -> set[str]:
    """Of the routers' requests, by the API server's audit log."""
    ids: set[str] = set()
    for line in bed.control_plane.audit_log.read_text().splitlines():
        user = json.loads(line)["user"]
        if user["username"] == f"system:serviceaccount:{NAMESPACE}:nodeway":
            found = user.get("extra", {}).get("authentication.kubernetes.io/credential-id", [])
            ids |= {entry.removeprefix("JTI=") for entry in found}
    return ids
