# SPDX-License-Identifier: Apache-2.0
"""How the routers ask the API server for their view of the cluster."""

from __future__ import annotations

from router import NAMESPACE, WATCHED, Routers
from testbed.bed import TestBed
from testbed.wait import wait_until


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
