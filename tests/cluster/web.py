# SPDX-License-Identifier: Apache-2.0
"""Pods that tell their names over HTTP/1.1, and a pod that asks for them through its node's router."""

from __future__ import annotations

import json
import textwrap
from dataclasses import dataclass

from testbed.api import Object
from testbed.bed import TestBed
from testbed.wait import wait_until

PORT = 8080
_LABELS = {"app": "web"}
_SERVER = textwrap.dedent(
    """
    import http.server, os

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            body = os.uname().nodename.encode()
            self.send_response(503 if self.path == "/unready" else 200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    http.server.ThreadingHTTPServer(("", 8080), Handler).serve_forever()
    """
)
# One request for each authority, each over a connection of its own; what came of them as JSON.
_CLIENT = textwrap.dedent(
    """
    import http.client, json, os, sys

    def ask(authority):
        connection = http.client.HTTPConnection(os.environ["HOST_IP"], 4140, timeout=10)
        connection.request("GET", "/", headers={"Host": authority})
        reply = connection.getresponse()
        body = reply.read().decode()
        connection.close()
        return [reply.status, reply.headers.get("nodeway-error", ""), body]

    print(json.dumps([ask(authority) for authority in sys.argv[1:]]))
    """
)


@dataclass(frozen=True)
class Reply:
    """What came of a request."""

    status: int
    error: str
    """The router's word for why there is no answer of a pod; "" if there is one."""
    body: str
    """A pod's name, or the router's error in a sentence."""


def make_pod(
    bed: TestBed, namespace: str, name: str, node: str, *, in_service: bool = True, is_ready: bool = True
) -> Object:
    """A pod that tells its name; when its container has started, or the kubelet says that it is Ready."""
    probe = {"httpGet": {"path": "/" if is_ready else "/unready", "port": PORT}, "periodSeconds": 1}
    container = {
        "name": "web",
        "image": "python",
        "args": ["-c", _SERVER],
        "ports": [{"name": "http", "containerPort": PORT}],
        "readinessProbe": probe,
    }
    labels = _LABELS if in_service else {"app": "alone"}
    return _run(bed, namespace, name, node, container, labels, is_ready)


def deploy(bed: TestBed, namespace: str, nodes: list[str]) -> list[Object]:
    """The Service `web` at port 80, and a pod of it on each of these nodes; when all are in its slices."""
    service = {"selector": _LABELS, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]}
    bed.api.create(f"/api/v1/namespaces/{namespace}/services", {"metadata": {"name": "web"}, "spec": service})
    pods = [make_pod(bed, namespace, f"web-{number}", node) for number, node in enumerate(nodes)]
    wait_for_addresses(bed, namespace, pods)
    return pods


def wait_for_addresses(bed: TestBed, namespace: str, pods: list[Object]) -> None:
    """Until the slices of the Service `web` have just these pods, ready or not."""
    path = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
    expected = {address_of(pod) for pod in pods}

    def found() -> set[str]:
        return {address for s in bed.api.get(path)["items"] for e in s["endpoints"] or [] for address in e["addresses"]}

    wait_until(lambda: found() == expected, 60, f"{expected} in the slices")


def address_of(pod: Object) -> str:
    """The pod's own."""
    return str(pod["status"]["podIP"])


class Caller:
    """A pod of one node, which calls through that node's router."""

    def __init__(self, bed: TestBed, namespace: str, node: str = "node-1") -> None:
        self._bed = bed
        container = {
            "name": "caller",
            "image": "python",
            "args": ["-c", "import time; time.sleep(3600)"],
        }
        self.pod = _run(bed, namespace, "caller", node, container, {}, True)

    def ask(self, *authorities: str) -> list[Reply]:
        """A request for each."""
        host = self.pod["status"]["hostIP"]
        done = self._bed.execute(self.pod, "env", f"HOST_IP={host}", "/usr/bin/python3", "-c", _CLIENT, *authorities)
        assert done.returncode == 0, done.stderr
        return [Reply(*fields) for fields in json.loads(done.stdout)]


def _run(
    bed: TestBed, namespace: str, name: str, node: str, container: Object, labels: Object, waits_for_ready: bool
) -> Object:
    path = f"/api/v1/namespaces/{namespace}/pods"
    spec = {
        "nodeSelector": {"kubernetes.io/hostname": node},
        "terminationGracePeriodSeconds": 1,
        "containers": [container],
    }
    bed.api.create(path, {"metadata": {"name": name, "labels": labels}, "spec": spec})

    def running() -> Object | None:
        pod = bed.api.get(f"{path}/{name}")
        statuses = pod.get("status", {}).get("containerStatuses", [])
        begun = [status for status in statuses if status["ready"] or "running" in status["state"]]
        ready = [status for status in statuses if status["ready"]]
        return pod if (ready if waits_for_ready else begun) else None

    return wait_until(running, 60, f"pod {name}; {bed.describe(namespace)}")
