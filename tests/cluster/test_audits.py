# SPDX-License-Identifier: Apache-2.0
"""The view of the cluster, compared with what the API server lists, by a router that does so every few seconds."""

from __future__ import annotations

import itertools
from pathlib import Path

from outside import OutsideRouter, outside_router
from router import NAMESPACE, WATCHED, Routers, is_audit
from testbed.api import Object
from testbed.bed import GATE_PORT, TestBed
from testbed.lossy_proxy import LossyProxy
from testbed.network import CONTROL_ADDRESS
from testbed.wait import wait_until

_AUDITS = "nodeway_watch_audits_total"
_DIFFERENCES = "nodeway_watch_audit_differences_total"
_LISTS = "nodeway_watch_lists_total"
_RECHECKS = "nodeway_watch_rechecks_total"
_SLICES = "/apis/discovery.k8s.io/v1/endpointslices"
_DELAY_S = 0.1
"""Of every byte from and to the API server: more than lies between two changes, so that no list is like the view."""


def _token(bed: TestBed) -> Object:
    return {"token": bed.token_of(NAMESPACE, "nodeway")}


def _service(namespace: str, name: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"ports": [{"name": "http", "port": 80}]},
    }


def _slice(namespace: str, name: str) -> Object:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "namespace": namespace, "labels": {"kubernetes.io/service-name": "churned"}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 80}],
        "endpoints": [],
    }


def _change(bed: TestBed, namespace: str, turn: int) -> None:
    """Objects of two kinds are changed, made and deleted."""
    services = f"/api/v1/namespaces/{namespace}/services"
    slices = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
    for collection, make in ((services, _service), (slices, _slice)):
        bed.api.patch(f"{collection}/churned", {"metadata": {"annotations": {"turn": str(turn)}}})
        bed.api.create(collection, make(namespace, f"made-{turn}"))
        if turn > 0:
            bed.api.delete(f"{collection}/made-{turn - 1}")


def test_audits_find_no_difference_however_busy_the_cluster_is(
    bed: TestBed, routers: Routers, namespace: str, tmp_path: Path
) -> None:
    bed.apply(_service(namespace, "churned"), _slice(namespace, "churned"))
    kubeconfig = bed.control_plane.write_inline_kubeconfig(tmp_path / "config", _token(bed), GATE_PORT)
    audits = sum(is_audit(entry) for entry in routers.requests())
    lists = routers.lists()

    log = bed.logs / f"{namespace}_audited.log"
    router_of_node = outside_router(kubeconfig, log, "--node", "node-1", image="nodeway-hasty")
    with bed.gate.delays(_DELAY_S), router_of_node as router:
        turns = itertools.count()

        def is_audited() -> bool:
            _change(bed, namespace, next(turns))
            goals = {name: 2 if name in ("services", "endpointslices") else 1 for name in WATCHED}
            return all(router.value(_AUDITS, resource=name) >= goal for name, goal in goals.items())

        wait_until(is_audited, 120, "two audits of what changes, and one of all else", 0.02)

        assert router.value(_DIFFERENCES) == 0, router.log()
        assert router.value("nodeway_watch_errors_total") == 0, router.log()
        assert all(router.value(_LISTS, resource=name) == 1 for name in WATCHED)
        assert router.value("nodeway_watch_events_total", resource="endpointslices") > 100
    assert sum(is_audit(entry) for entry in routers.requests()) >= audits + 2 + 2 + 3
    assert routers.lists() == lists + len(WATCHED)  # the streaming ones of that router: audits count as none


def test_an_event_that_was_lost_is_counted_named_and_mended(
    bed: TestBed, routers: Routers, namespace: str, tmp_path: Path
) -> None:
    proxy = LossyProxy(bed.control_plane.authority.certificate)
    kubeconfig = bed.control_plane.write_plain_kubeconfig(tmp_path / "config", proxy.start(), _token(bed))

    with outside_router(kubeconfig, bed.logs / f"{namespace}_lossy.log", image="nodeway-hasty") as router:
        proxy.lose('"kind":"Service"', f'"namespace":"{namespace}"', '"name":"lost"')
        lost = _service(namespace, "lost")
        lost["metadata"]["annotations"] = {"ballast": "x" * 200_000}
        services = f"/api/v1/namespaces/{namespace}/services"
        bed.api.create(services, lost)
        bed.api.create(services, _service(namespace, "later"))
        _wait_until_known(router, f"later.{namespace}", 10)
        before = router.error_for(f"lost.{namespace}")
        _wait_until_known(router, f"lost.{namespace}", 60)

        assert len(proxy.lost) == 1
        assert before == "unknown_service"
        assert router.value(_DIFFERENCES, resource="services") == 1
        assert router.value(_DIFFERENCES) == 1
        assert f"services: audit: 1 of the objects differ: {namespace}/lost (listed at " in router.log()
        # Above 128 KiB, so that the API server compresses it; and no watch, as that would cost it more.
        assert {path.split("?resourceVersion=")[0] for path in proxy.compressed} == {"/api/v1/services"}
        assert router.value(_LISTS, resource="services") == 2
        assert router.value(_LISTS, resource="endpointslices") == 1


def _slice_of(namespace: str, service: str, *addresses: str) -> Object:
    """Of endpoints at a port where nobody listens."""
    made = _slice(namespace, f"{service}-1")
    made["metadata"]["labels"] = {"kubernetes.io/service-name": service}
    made["ports"] = [{"name": "http", "port": 9}]
    made["endpoints"] = [{"addresses": [address]} for address in addresses]
    return made


def test_a_connect_that_fails_leads_to_a_look_at_the_slice_and_mends_what_was_lost(
    bed: TestBed, routers: Routers, namespace: str, tmp_path: Path
) -> None:
    proxy = LossyProxy(bed.control_plane.authority.certificate)
    kubeconfig = bed.control_plane.write_plain_kubeconfig(tmp_path / "config", proxy.start(), _token(bed))
    proxy.refuse(f"{_SLICES}?resourceVersion=")  # the audits, which would find it, too
    for service in ("down", "lost"):
        bed.apply(_service(namespace, service), _slice_of(namespace, service, CONTROL_ADDRESS))

    with outside_router(kubeconfig, bed.logs / f"{namespace}_recheck.log", image="nodeway-hasty") as router:
        proxy.lose('"kind":"EndpointSlice"', f'"namespace":"{namespace}"', '"name":"lost-1"')
        slices = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
        bed.api.patch(f"{slices}/lost-1", {"endpoints": []})
        bed.api.create(slices, _slice(namespace, "later"))
        wait_until(lambda: len(proxy.lost) == 1, 10, "the event to be lost")

        before = {service: router.error_for(f"{service}.{namespace}") for service in ("down", "lost")}
        wait_until(
            lambda: router.error_for(f"lost.{namespace}") == "no_endpoints", 60, "the router to know that no endpoint is left"
        )
        for _ in range(20):
            assert router.error_for(f"down.{namespace}") == "connect_failed"

        assert before == {"down": "connect_failed", "lost": "connect_failed"}
        assert router.value(_RECHECKS) == router.value(_RECHECKS, resource="endpointslices") == 2
        assert router.value(_AUDITS, resource="endpointslices") == 0
        assert router.value(_DIFFERENCES) == 1
        assert f"endpointslices: recheck: 1 of the objects differ: {namespace}/lost-1 (listed at " in router.log()
        assert router.value(_LISTS, resource="endpointslices") == 2
    looks = [entry["requestURI"] for entry in routers.requests() if is_audit(entry) and slices in entry["requestURI"]]
    assert sorted(looks) == [f"{slices}?fieldSelector=metadata.name%3D{name}-1" for name in ("down", "lost")]


def _wait_until_known(router: OutsideRouter, authority: str, timeout_s: float) -> None:
    wait_until(lambda: router.error_for(authority) == "no_endpoints", timeout_s, f"the router to know {authority}")
