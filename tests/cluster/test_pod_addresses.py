# SPDX-License-Identifier: Apache-2.0
"""A pod's address as authority, through the routers of the manifests, by what the real EndpointSlices say."""

from __future__ import annotations

from router import Routers
from testbed.bed import TestBed
from testbed.wait import wait_until
from web import PORT, Caller, address_of, deploy, make_pod, wait_for_addresses

_CALLS = 10  # of each: with one endpoint drawn of two, all would hit the same pod once in a thousand runs


def test_a_pods_address_means_that_pod_on_whatever_node(bed: TestBed, routers: Routers, namespace: str) -> None:
    pods = deploy(bed, namespace, ["node-1", "node-2"])
    caller = Caller(bed, namespace)
    router = routers.on("node-1")
    _wait_until_known(caller, f"web.{namespace}")
    before = routers.value(router, "nodeway_requests_total", namespace=namespace, service="web")

    for pod in pods:
        for authority in (address_of(pod), f"{address_of(pod)}:{PORT}"):
            replies = caller.ask(*[authority] * _CALLS)
            assert {reply.body for reply in replies} == {pod["metadata"]["name"]}

    # Under the Service port that has the pod.
    after = routers.value(router, "nodeway_requests_total", namespace=namespace, service="web")
    assert after == before + len(pods) * 2 * _CALLS


def test_an_unready_pod_is_reached_by_its_address_alone(bed: TestBed, routers: Routers, namespace: str) -> None:
    pods = deploy(bed, namespace, ["node-2"])
    unready = make_pod(bed, namespace, "unready", "node-3", is_ready=False)
    wait_for_addresses(bed, namespace, [*pods, unready])
    caller = Caller(bed, namespace)
    _wait_until_known(caller, address_of(unready))

    by_name = caller.ask(*[f"web.{namespace}"] * _CALLS)
    by_address = caller.ask(address_of(unready))

    assert {reply.body for reply in by_name} == {"web-0"}
    assert [reply.body for reply in by_address] == ["unready"]


def test_an_unready_pod_is_reached_by_name_where_its_service_publishes_it(
    bed: TestBed, routers: Routers, namespace: str
) -> None:
    pods = deploy(bed, namespace, ["node-2"])
    unready = make_pod(bed, namespace, "unready", "node-3", is_ready=False)
    wait_for_addresses(bed, namespace, [*pods, unready])
    caller = Caller(bed, namespace)
    _wait_until_known(caller, address_of(unready))

    patch = '{"spec": {"publishNotReadyAddresses": true}}'
    bed.kubectl("-n", namespace, "patch", "service", "web", "--type=merge", "--patch", patch)

    def answering() -> set[str]:
        return {reply.body for reply in caller.ask(*[f"web.{namespace}"] * _CALLS)}

    wait_until(lambda: answering() == {"web-0", "unready"}, 30, "both pods to answer")


def test_addresses_that_are_no_pod_of_a_service_are_refused(bed: TestBed, routers: Routers, namespace: str) -> None:
    pods = deploy(bed, namespace, ["node-2"])
    alone = make_pod(bed, namespace, "alone", "node-2", in_service=False)
    caller = Caller(bed, namespace)
    _wait_until_known(caller, address_of(pods[0]))
    node = bed.nodes[1].network.address

    replies = caller.ask(f"{address_of(alone)}:{PORT}", f"{address_of(caller.pod)}:{PORT}", f"{node}:{PORT}")
    other_port = caller.ask(f"{address_of(pods[0])}:9090")

    assert [reply.error for reply in replies] == ["unknown_service"] * 3
    assert [reply.error for reply in other_port] == ["unknown_port"]


def _wait_until_known(caller: Caller, authority: str) -> None:
    wait_until(lambda: caller.ask(authority)[0].status == 200, 30, f"an answer for {authority}")
