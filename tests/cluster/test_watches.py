# SPDX-License-Identifier: Apache-2.0
"""How the routers ask the API server for their view of the cluster."""

from __future__ import annotations

from router import NAMESPACE, WATCHED, Routers, total_of
from testbed.api import Api
from testbed.bed import TestBed
from testbed.wait import wait_until

_LISTED = (
    "/api/v1/services",
    "/apis/discovery.k8s.io/v1/endpointslices",
    "/api/v1/nodes?fieldSelector=metadata.name%3Dnode-1",
    "/api/v1/pods?fieldSelector=spec.nodeName%3Dnode-1",
    f"/api/v1/namespaces/{NAMESPACE}/configmaps?fieldSelector=metadata.name%3Dnodeway",
)
"""What the routers list and watch, as they ask for it."""


def test_routers_list_by_streaming_and_by_nothing_else(bed: TestBed, routers: Routers) -> None:
    old = routers.on("node-1")
    routers.wait_for_watches()

    bed.kubectl("-n", NAMESPACE, "delete", "pod", old["metadata"]["name"])
    wait_until(lambda: routers.on("node-1")["metadata"]["uid"] != old["metadata"]["uid"], 60, "a new router")

    new = routers.on("node-1")
    asked = routers.requests(new)
    for resource in WATCHED:
        uris = [entry["requestURI"] for entry in asked if entry["objectRef"]["resource"] == resource]
        assert len(uris) == 1, uris  # the watch that the list goes on as
        assert "sendInitialEvents=true" in uris[0]
        assert routers.value(new, "nodeway_watch_lists_total", resource=resource) == 1
        assert routers.value(new, "nodeway_watch_errors_total", resource=resource) == 0


def test_the_api_server_gives_the_routers_a_level_of_their_own(bed: TestBed, routers: Routers) -> None:
    schema = bed.api.get("/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas/nodeway")["metadata"]["uid"]
    as_nodeway = Api(bed.kubeconfig, bed.token_of(NAMESPACE, "nodeway"))
    as_another = Api(bed.kubeconfig, bed.token_of(NAMESPACE, "default"))
    before = _dispatched(bed)

    bed.kubectl("-n", NAMESPACE, "delete", "pod", routers.on("node-2")["metadata"]["name"])
    routers.pods()

    for path in _LISTED:
        assert as_nodeway.header(path, "X-Kubernetes-PF-FlowSchema-UID") == schema, path
    assert as_another.header("/version", "X-Kubernetes-PF-FlowSchema-UID") not in ("", schema)
    assert _dispatched(bed) >= before + len(WATCHED) + len(_LISTED)
    assert _flow_control(bed, "apiserver_flowcontrol_rejected_requests_total") == 0


def _dispatched(bed: TestBed) -> float:
    return _flow_control(bed, "apiserver_flowcontrol_dispatched_requests_total")


def _flow_control(bed: TestBed, name: str) -> float:
    """A figure of the API server's, for what matched our FlowSchema and went to our level."""
    return total_of(bed.api.text("GET", "/metrics"), name, flow_schema="nodeway", priority_level="nodeway")
