# SPDX-License-Identifier: Apache-2.0
"""What the routers do while the API server is away, out of reach, or ends its watches."""

from __future__ import annotations

import base64
import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from calculator import Load, add_pod, addresses, assert_none_failed, deploy, wait_for_pods
from router import NAMESPACE, WATCHED, Routers, total_of
from testbed.api import Object
from testbed.bed import IS_LONG, TestBed
from testbed.node import Node
from testbed.wait import wait_until

# Not less: a router reads its token again when what it knows is a minute old (k8s_client/credentials.hpp).
_OUTAGE_S = 120 if IS_LONG else 60
_BEGIN = "/tmp/begin"
# Two pauses of 30 s at most: until it is tried again, and after the 410 of an API server that has no history yet.
_ARRIVAL_S = 90


@pytest.fixture(autouse=True)
def watches(routers: Routers) -> Iterator[None]:
    """Open before a test, and again after it: their back-off of up to 30 s belongs to no other test."""
    routers.wait_for_watches()
    yield
    routers.wait_for_watches()


def _watches_ended(bed: TestBed) -> dict[str, float]:
    """By resource, in the API server's own count: it counts a watch at its end."""
    text = bed.api.text("GET", "/metrics")
    return {name: total_of(text, "apiserver_request_total", verb="WATCH", resource=name) for name in WATCHED}


def test_watches_that_are_cut_go_on_without_a_list(bed: TestBed, routers: Routers, namespace: str) -> None:
    before = {pod["metadata"]["name"] for pod in deploy(bed, namespace, replicas=2)}
    lists, ended = routers.lists(), _watches_ended(bed)
    open_watches = len(WATCHED) * len(bed.nodes)

    for _ in range(3):
        watches = routers.total("nodeway_watch_watches_total")
        assert bed.gate.cut() >= open_watches
        wait_until(
            lambda goal=watches + open_watches: routers.total("nodeway_watch_watches_total") >= goal,
            60,
            "all watches of all routers to be accepted again",
        )

    assert routers.lists() == lists
    assert all(count >= ended[name] + 3 * len(bed.nodes) for name, count in _watches_ended(bed).items())
    bed.kubectl("-n", namespace, "scale", "deployment/add", "--replicas=3")
    new = {pod["metadata"]["name"] for pod in wait_for_pods(bed, namespace, 3)} - before
    load = Load(bed, namespace, "--every", "5ms")
    load.wait_for(lambda line: new <= set(line.get("pods", {}).get("add", {})), 10, f"calls on {new}")
    assert_none_failed(load.stop())


def test_an_outage_of_the_api_server_fails_no_call_and_only_delays_changes_and_new_tokens(
    bed: TestBed, routers: Routers, namespace: str
) -> None:
    deploy(bed, namespace, replicas=3)
    leaving = add_pod(bed, namespace, "leaving")
    wait_for_pods(bed, namespace, 4)
    coming = add_pod(bed, namespace, "coming", serves_after=_BEGIN)
    load = Load(bed, namespace, "--every", "5ms")
    load.wait_for(lambda line: len(line.get("pods", {}).get("add", {})) == 4, 30, "calls on all pods but one")
    router = routers.on("node-1")
    new_tokens = _rotate_tokens(bed, routers.pods())
    calls = load.latest()["calls"]

    bed.control_plane.kill_api_server()
    back_at = time.monotonic() + _OUTAGE_S
    # The nodes run on, and so the cluster changes: only that nobody can be told.
    bed.runner(leaving).container().send(signal.SIGTERM)
    bed.execute(coming, "touch", _BEGIN)
    wait_until(lambda: bed.runner(leaving).exit_code() == 0, 20, "the end of one pod")
    wait_until(lambda: '"listening"' in bed.log_of(coming), 20, "another one to serve")
    time.sleep(back_at - time.monotonic())  # this time is the act; nothing comes at its end
    during = load.latest()["calls"] - calls
    early = load.calls_by_pod()
    stale = routers.endpoints(router, namespace)
    bed.control_plane.bring_back()

    load.wait_for(
        lambda line: "coming" in line.get("pods", {}).get("add", {}), _ARRIVAL_S, "calls on the pod that came"
    )
    wait_until(
        lambda: routers.endpoints(router, namespace) == addresses(bed, namespace, ready_only=True),
        _ARRIVAL_S,
        "the router to have the pods of the slices",
    )
    wait_until(lambda: new_tokens <= _token_ids_seen(bed), _ARRIVAL_S, "requests with the new tokens")
    assert_none_failed(load.stop())
    assert during >= 20 * _OUTAGE_S
    assert "coming" not in early
    assert leaving["status"]["podIP"] in stale
    assert leaving["status"]["podIP"] not in addresses(bed, namespace)


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


@contextmanager
def _swallowed_packets(bed: TestBed, node: Node, address: str) -> Iterator[None]:
    """Of the connections that are open now, as by a firewall that has forgotten them."""
    peers = bed.gate.peers(address)
    assert len(peers) >= len(WATCHED)
    with node.network.swallows(address, {port for _, port in peers}):
        yield
    bed.gate.cut(peers)


@contextmanager
def _stalled_proxy(bed: TestBed, _node: Node, address: str) -> Iterator[None]:
    """The kernel at the other end answers, and nobody behind it says a word."""
    with bed.gate.stalls(bed.gate.peers(address)):
        yield


# The longest time until a watch is open again. Swallowed: TCP's probes of a silent connection tell within 40 s
# (k8s_client/wire.cpp). Stalled: neither event nor bookmark for 150 s (k8s_client/reflector.hpp). Then a pause of 0.8 s
# at most, and a wide margin for the machine.
_DEATHS = [pytest.param(_swallowed_packets, 40 + 10, id="swallowed")]
if IS_LONG:
    _DEATHS.append(pytest.param(_stalled_proxy, 150 + 10, id="stalled"))


@pytest.mark.parametrize(("dies", "bound_s"), _DEATHS)
def test_watches_that_died_without_a_word_are_replaced_and_go_on_without_a_list(
    bed: TestBed,
    routers: Routers,
    namespace: str,
    dies: Callable[[TestBed, Node, str], AbstractContextManager[None]],
    bound_s: float,
) -> None:
    before = {pod["metadata"]["name"] for pod in deploy(bed, namespace, replicas=2)}
    load = Load(bed, namespace, "--every", "5ms")
    load.wait_for_calls(200)
    router = routers.on("node-1")
    reconnects = _reconnects(routers, router)
    lists = routers.lists()

    with dies(bed, bed.nodes[0], router["status"]["podIP"]):
        deadline = time.monotonic() + bound_s
        bed.kubectl("-n", namespace, "scale", "deployment/add", "--replicas=3")
        new = {pod["metadata"]["name"] for pod in wait_for_pods(bed, namespace, 3)} - before
        load.wait_for_calls(400)
        early = new & set(load.calls_by_pod())
        wait_until(
            lambda: all(count > reconnects[name] for name, count in _reconnects(routers, router).items()),
            deadline - time.monotonic(),
            "all watches to be replaced",
        )
        load.wait_for(lambda line: new <= set(line.get("pods", {}).get("add", {})), 10, f"calls on {new}")

    assert_none_failed(load.stop())
    assert early == set()  # otherwise the watches had not died at all
    assert routers.lists() == lists


def _reconnects(routers: Routers, router: Object) -> dict[str, float]:
    """By resource: watches that went on from the version of the one before."""
    return {name: routers.value(router, "nodeway_watch_reconnects_total", resource=name) for name in WATCHED}


def _rotate_tokens(bed: TestBed, pods: list[Object]) -> set[str]:
    """Ids of the new tokens. The old ones stay valid, so that nothing but their age makes a router read again."""
    for pod in pods:
        bed.runner(pod).rotate_tokens()
    return {_token_id(bed, pod) for pod in pods}


def _token_id(bed: TestBed, pod: Object) -> str:
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
