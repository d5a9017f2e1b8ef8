# SPDX-License-Identifier: Apache-2.0
"""A router that is killed and started again by kubelet, with and without the API server."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from calculator import Load, addresses, deploy, wait_for_pods
from router import NAMESPACE, WATCHED, Routers
from testbed.api import Object
from testbed.bed import TestBed
from testbed.wait import wait_until
from web import PORT, Caller, address_of, make_pod

_NODE = "node-1"
_FILE = "/var/lib/nodeway/saved-view.json"
# The start of a sanitized router on a busy machine, and the client's own pause before it connects again.
_RESTART_S = 20
# Two pauses of 30 s at most between tries, and what comes on top (test_outage.py).
_ARRIVAL_S = 90


@pytest.fixture
def victim(bed: TestBed, routers: Routers) -> Iterator[Object]:
    """The router of one node; afterwards a new one is there, that was never killed."""
    routers.wait_for_watches()
    pod = routers.on(_NODE)
    yield pod
    bed.gate.open()
    bed.dns.is_away = False
    bed.kubectl("-n", NAMESPACE, "delete", "pod", pod["metadata"]["name"])
    routers.pods()
    routers.wait_for_watches()


def _saved(bed: TestBed, router: Object) -> str:
    return str(bed.execute(router, "cat", _FILE).stdout)


def _wait_until_saved(bed: TestBed, router: Object, pods: list[Object]) -> None:
    """Until the saved view knows all pods, each as an endpoint or as one of its node."""
    needed = [pod["status"]["podIP"] for pod in pods]
    wait_until(lambda: all(f'"{ip}"' in _saved(bed, router) for ip in needed), 30, "the pods in the saved view")


def _kill(bed: TestBed, router: Object) -> None:
    """By SIGKILL, until kubelet has started it again."""
    container = bed.runner(router).container()
    container.send(signal.SIGKILL)
    wait_until(lambda: _is_another(bed, router, container), _RESTART_S, "the container to be started again", 0.05)


def _is_another(bed: TestBed, router: Object, former: object) -> bool:
    try:
        return bed.runner(router).container() is not former
    except LookupError:
        return False  # between the two


def _good_calls(load: Load) -> int:
    return sum(load.calls_by_pod().values())


def _wait_for_good_calls(load: Load, count: int) -> None:
    goal = _good_calls(load) + count
    wait_until(lambda: _good_calls(load) >= goal, _RESTART_S, f"{goal} good calls; last: {load.latest()}")


def test_a_router_killed_while_the_api_server_is_out_of_reach_serves_from_its_saved_view(
    bed: TestBed, routers: Routers, namespace: str, victim: Object
) -> None:
    before = deploy(bed, namespace, replicas=2)
    load = Load(bed, namespace, "--every", "5ms")
    load.wait_for_calls(100)
    _wait_until_saved(bed, victim, [*before, load.pod])

    bed.gate.close()
    _kill(bed, victim)
    _wait_for_good_calls(load, 200)
    verbose = routers.fetch(victim, "/ready?verbose=1")  # an error unless it is ready
    footer = bed.execute(victim, "nodeway", "endpoints", "-n", namespace).stdout

    assert "[-] saved view: served, " in verbose
    assert all(f"[-] {resource}: not seen yet" in verbose for resource in WATCHED)
    assert "A saved view is served, " in footer
    assert routers.value(victim, "nodeway_saved_view_served") == 1
    assert routers.value(victim, "nodeway_saved_view_age_seconds") > 0
    assert "serving from a saved view" in bed.log_of(victim)
    # A pod goes, others come, and nobody can tell the router.
    bed.kubectl("-n", namespace, "scale", "deployment/add", "--replicas=4")
    bed.kubectl("-n", namespace, "delete", "pod", before[0]["metadata"]["name"])
    new = {pod["metadata"]["name"] for pod in wait_for_pods(bed, namespace, 4)} - {
        pod["metadata"]["name"] for pod in before
    }
    assert new.isdisjoint(load.calls_by_pod())

    bed.gate.open()

    load.wait_for(lambda line: new <= set(line.get("pods", {}).get("add", {})), _ARRIVAL_S, f"calls on {new}")
    wait_until(
        lambda: routers.endpoints(victim, namespace) == addresses(bed, namespace, ready_only=True),
        _ARRIVAL_S,
        "the router to have the pods of the slices",
    )
    wait_until(lambda: routers.value(victim, "nodeway_saved_view_served") == 0, _ARRIVAL_S, "the router's own view")
    load.stop()


def test_a_killed_router_serves_short_names_again_and_soon_has_a_view_of_its_own(
    bed: TestBed, routers: Routers, namespace: str, victim: Object
) -> None:
    pods = deploy(bed, namespace, replicas=2)
    load = Load(bed, namespace, "--every", "5ms", suffix="")
    load.wait_for_calls(100)
    _wait_until_saved(bed, victim, [*pods, load.pod])

    _kill(bed, victim)
    _wait_for_good_calls(load, 200)

    wait_until(lambda: routers.value(victim, "nodeway_saved_view_served") == 0, _ARRIVAL_S, "the router's own view")
    assert "serving from a saved view" in bed.log_of(victim)
    assert "the saved view has ended" in bed.log_of(victim)
    load.stop()


def test_a_killed_router_keeps_its_last_good_configuration_if_a_wrong_one_awaits_it(
    bed: TestBed, routers: Routers, namespace: str, victim: Object, configuration: str
) -> None:
    pods = deploy(bed, namespace, replicas=1)
    load = Load(bed, namespace, "--every", "20ms")
    load.wait_for_calls(20)
    _wait_until_saved(bed, victim, [*pods, load.pod])
    routers.configure("version: 1\ndefaultNamespac: shop\n")
    wait_until(lambda: routers.value(victim, "nodeway_config_valid") == 0, 15, "the wrong configuration to be seen")

    _kill(bed, victim)
    _wait_for_good_calls(load, 20)
    wait_until(lambda: routers.value(victim, "nodeway_config_rejected_total") == 1, _ARRIVAL_S, "it to be seen again")

    assert "defaultNamespac" in routers.fetch(victim, "/ready")  # an error unless it is ready
    _wait_for_good_calls(load, 20)
    load.stop()


def _is_answered(caller: Caller, authority: str) -> bool:
    """Also while no router is there: then it is not."""
    try:
        return caller.ask(authority)[0].body == "outside"
    except AssertionError:
        return False


def test_a_router_killed_while_dns_is_away_serves_the_last_addresses_of_names_outside(
    bed: TestBed, routers: Routers, namespace: str, victim: Object, configuration: str
) -> None:
    outside = make_pod(bed, namespace, "outside", "node-2", in_service=False)
    bed.dns.set("steady.example.com", address_of(outside), ttl_s=5)
    caller = Caller(bed, namespace, _NODE)
    routers.configure_and_wait(f"version: 1\nexternalNames: ['steady.example.com:{PORT}']\n")
    wait_until(lambda: f'"{address_of(outside)}"' in _saved(bed, victim), 30, "its address in the saved view")

    bed.dns.is_away = True
    _kill(bed, victim)

    wait_until(lambda: _is_answered(caller, f"steady.example.com:{PORT}"), _RESTART_S, "an answer of it")
    assert routers.value(victim, "nodeway_dns_lookups_total", outcome="answered") == 0
    assert routers.value(victim, "nodeway_dns_addresses", name="steady.example.com") == 1
    assert "ready without an answer of DNS" not in bed.log_of(victim)
