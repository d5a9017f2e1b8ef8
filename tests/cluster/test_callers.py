# SPDX-License-Identifier: Apache-2.0
"""Who calls, from where: the caller's own namespace, strangers, and what Kubernetes says of nodes and zones."""

from __future__ import annotations

import pytest

from calculator import Load, assert_none_failed, deploy
from router import Routers
from testbed.api import Object
from testbed.bed import TestBed


def _pods_called(summary: Object) -> set[str]:
    return set(summary["operations"]["add"]["pods"])


def _on(pods: list[Object], node: str) -> set[str]:
    return {pod["metadata"]["name"] for pod in pods if pod["spec"]["nodeName"] == node}


def test_a_short_name_means_the_callers_namespace_from_its_first_call(
    bed: TestBed, routers: Routers, namespace: str
) -> None:
    pods = deploy(bed, namespace, replicas=1)

    # It calls as soon as it runs, whatever its status says by then.
    summary = Load(bed, namespace, "--requests", "20", suffix="").result()

    assert_none_failed(summary)
    assert _pods_called(summary) == {pods[0]["metadata"]["name"]}


def test_a_short_name_does_not_reach_into_another_namespace(bed: TestBed, routers: Routers, namespace: str) -> None:
    deploy(bed, namespace, replicas=1)
    other = bed.make_namespace(f"{namespace[:50]}-other")
    try:
        summary = Load(bed, other, "--requests", "5", suffix="").result()
    finally:
        bed.delete_namespace(other)

    assert summary["failed"] == 5
    errors = str(summary["operations"]["add"]["errors"])
    assert f'no Service \\"add\\" in namespace \\"{other}\\"' in errors or f'in namespace "{other}"' in errors, errors


def test_a_pod_of_another_node_is_denied(bed: TestBed, routers: Routers, namespace: str) -> None:
    deploy(bed, namespace, replicas=1)
    denied = routers.total("nodeway_responses_total", reason="denied")
    address = next(node.network.address for node in bed.nodes if node.name == "node-2")

    summary = Load(bed, namespace, "--requests", "5", node="node-1", target=address).result()

    assert summary["failed"] == 5
    assert "is no pod of this node" in str(summary["operations"]["add"]["errors"])
    assert routers.total("nodeway_responses_total", reason="denied") == denied + 5


@pytest.mark.parametrize(
    "service", [{"trafficDistribution": "PreferSameZone"}, {"internalTrafficPolicy": "Local"}], ids=["zone", "local"]
)
def test_calls_stay_in_the_zone_or_on_the_node(
    bed: TestBed, routers: Routers, namespace: str, service: Object
) -> None:
    pods = deploy(bed, namespace, replicas=3, service=service)

    for node in ("node-1", "node-3"):  # each in a zone of its own
        summary = Load(bed, namespace, "--requests", "50", node=node).result()

        assert_none_failed(summary)
        assert _pods_called(summary) == _on(pods, node)
