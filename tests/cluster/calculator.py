# SPDX-License-Identifier: Apache-2.0
"""The calculator as Deployments and Services, and its load generator as a pod of one node."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from testbed.api import Object
from testbed.bed import TestBed
from testbed.wait import wait_until

_GRPC_PORT = 50051
_LABELS = {"app": "add"}


@dataclass(frozen=True)
class Backend:
    """A program that serves the operation `add`."""

    image: str
    args: tuple[str, ...]


GRPC_CPP = Backend("nodeway-calculator", ("serve", "--service", "add", "--grpc", f"0.0.0.0:{_GRPC_PORT}"))
"""The calculator of the demo. After SIGTERM it serves on for a second, and then takes no more calls."""

GRPC_GO = Backend("grpc-go-adder", ("-listen", f"0.0.0.0:{_GRPC_PORT}"))
"""Takes no new connections from SIGTERM on, says GOAWAY, and serves what has been sent: see its main.go."""


def _container(backend: Backend, args: tuple[str, ...] = ()) -> Object:
    return {
        "name": "calculator",
        "image": backend.image,
        "args": [*backend.args, *args],
        "env": [{"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        "ports": [{"name": "grpc", "containerPort": _GRPC_PORT}],
        "readinessProbe": {"grpc": {"port": _GRPC_PORT}, "periodSeconds": 1, "timeoutSeconds": 5},
    }


def deploy(
    bed: TestBed,
    namespace: str,
    *,
    replicas: int,
    backend: Backend = GRPC_CPP,
    args: tuple[str, ...] = (),
    service: Object | None = None,
) -> list[Object]:
    """The operation `add` as Deployment and Service of that name; its pods when all are Ready.

    `service` has further fields of the Service's spec.
    """
    spec = {"containers": [_container(backend, args)], "terminationGracePeriodSeconds": 30}
    template = {"metadata": {"labels": _LABELS}, "spec": spec}
    bed.apply(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "add", "namespace": namespace},
            "spec": {"replicas": replicas, "selector": {"matchLabels": _LABELS}, "template": template},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "add", "namespace": namespace},
            "spec": {
                "selector": _LABELS,
                "ports": [{"name": "grpc", "port": 80, "targetPort": "grpc"}],
                **(service or {}),
            },
        },
    )
    return wait_for_pods(bed, namespace, replicas)


def add_pod(bed: TestBed, namespace: str, name: str, *, serves_after: str = "") -> Object:
    """One more pod of the Service `add`, running, that nobody makes again when it has ended.

    With `serves_after` it serves, and so becomes Ready, only once there is a file of that name in it.
    """
    container = _container(GRPC_CPP)
    if serves_after:
        script = f'until [ -e {serves_after} ]; do sleep 0.1; done; exec "$0" "$@"'
        container["command"] = ["/bin/sh", "-c", script, GRPC_CPP.image]
    path = f"/api/v1/namespaces/{namespace}/pods"
    spec = {"restartPolicy": "Never", "containers": [container]}
    bed.api.create(path, {"metadata": {"name": name, "labels": _LABELS}, "spec": spec})
    wait_until(lambda: bed.api.get(f"{path}/{name}")["status"]["phase"] == "Running", 60, f"{name} to run")
    return bed.api.get(f"{path}/{name}")


def wait_for_pods(bed: TestBed, namespace: str, count: int, timeout_s: float = 90) -> list[Object]:
    """Until there are `count`, all Ready and in the Service's slices."""
    pods = bed.wait_for_pods(namespace, "app=add", count, timeout_s)
    expected = {pod["status"]["podIP"] for pod in pods}
    wait_until(lambda: addresses(bed, namespace, ready_only=True) == expected, timeout_s, "the pods in the slices")
    return pods


def addresses(bed: TestBed, namespace: str, *, ready_only: bool = False) -> set[str]:
    """Of the Service `add`, as its EndpointSlices have them."""
    selector = "kubernetes.io/service-name=add"
    path = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices?labelSelector={selector}"
    endpoints = [endpoint for s in bed.api.get(path)["items"] for endpoint in s["endpoints"] or []]
    return {e["addresses"][0] for e in endpoints if e["conditions"]["ready"] or not ready_only}


def in_flight_at_shutdown(bed: TestBed, pod: Object) -> int:
    """How many calls a stopped pod was serving when SIGTERM came."""
    lines = [json.loads(line) for line in bed.log_of(pod).splitlines() if line.startswith("{")]
    stopped = [line for line in lines if line["event"] == "stopped"]
    assert stopped, f"{pod['metadata']['name']} did not end gracefully: {bed.log_of(pod)[-2000:]}"
    return int(stopped[-1]["in_flight_at_shutdown"])


class Load:
    """`nodeway-calculator load` in a pod, over one connection through the router of that pod's node, or of `target`.

    The authority is `add` and `suffix`, the namespace unless said otherwise.
    """

    def __init__(
        self,
        bed: TestBed,
        namespace: str,
        *args: str,
        node: str = "node-1",
        suffix: str | None = None,
        target: str = "$(HOST_IP)",
    ) -> None:
        self._bed = bed
        self._namespace = namespace
        authority = ["--authority-suffix", f".{namespace}" if suffix is None else suffix]
        container = {
            "name": "load",
            "image": "nodeway-calculator",
            "env": [
                {"name": "HOST_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}},
                # While calls fail at once, grpc++ looks after the next connection at this interval only. Its default of
                # 5 s is longer than the load gives a connection to be made, so that it would not come back.
                {"name": "GRPC_CLIENT_CHANNEL_BACKUP_POLL_INTERVAL_MS", "value": "20"},
            ],
            "args": ["load", "--target", f"{target}:4140", "--only", "add", "--progress", *authority, *args],
        }
        spec = {
            "restartPolicy": "Never",
            "nodeSelector": {"kubernetes.io/hostname": node},
            "containers": [container],
        }
        pod = {"metadata": {"generateName": "load-"}, "spec": spec}
        self._pod = bed.api.create(f"/api/v1/namespaces/{namespace}/pods", pod)
        self._name = self._pod["metadata"]["name"]
        wait_until(self._has_begun, 60, "the load generator to start")

    @property
    def pod(self) -> Object:
        """The load generator's own, as it was when it began."""
        return self._pod

    def _has_begun(self) -> bool:
        self._pod = self._bed.api.get(f"/api/v1/namespaces/{self._namespace}/pods/{self._name}")
        return self._pod.get("status", {}).get("phase") not in (None, "Pending")

    def _lines(self) -> list[Object]:
        log = self._bed.log_of(self._pod)
        return [json.loads(line) for line in log.splitlines() if line.startswith("{") and line.endswith("}")]

    def latest(self) -> Object:
        """The last line of progress; empty before the first."""
        lines = self._lines()
        return lines[-1] if lines else {}

    def calls_by_pod(self) -> dict[str, int]:
        """Replies so far by the pod that gave them."""
        latest = self.latest()
        pods = latest.get("pods") or {name: row["pods"] for name, row in latest.get("operations", {}).items()}
        return dict(pods.get("add", {}))

    def wait_for(self, condition: Callable[[Object], Any], timeout_s: float, what: str) -> None:
        """Until a line of progress meets the condition."""
        wait_until(lambda: condition(self.latest()), timeout_s, f"{what}; last: {self.latest()}", 0.2)

    def wait_for_calls(self, count: int, timeout_s: float = 30) -> None:
        """Until so many more calls have ended."""
        goal = self.latest().get("calls", 0) + count
        self.wait_for(lambda line: line.get("calls", 0) >= goal, timeout_s, f"{goal} calls")

    def stop(self) -> Object:
        """Ends it after the calls in flight; its summary."""
        self._bed.runner(self._pod).container().send(signal.SIGTERM)
        return self.result()

    def result(self, timeout_s: float = 120) -> Object:
        """The summary, once it has ended by itself."""
        wait_until(lambda: self.latest().get("event") == "done", timeout_s, "the end of the load")
        return self.latest()


def assert_none_failed(summary: Object) -> None:
    """Every call was made and succeeded; otherwise says what the errors were."""
    assert summary["calls"] > 0
    assert summary["failed"] == 0, summary["operations"]["add"]["errors"]
