# SPDX-License-Identifier: Apache-2.0
"""Startup, readiness and liveness probes, sent from the node to the pod."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from testbed import linux
from testbed.api import Object


@dataclass(frozen=True)
class Target:
    """Where the probes of one container go."""

    address: str
    ports: dict[str, int]
    """By name, of the container's `ports`."""
    node_network: Path

    def port(self, number_or_name: int | str) -> int:
        """A port as `httpGet` and `tcpSocket` write it."""
        if isinstance(number_or_name, str):
            return self.ports[number_or_name]
        return number_or_name


def _http_get(action: Object, target: Target, timeout_s: float) -> bool:
    host = action.get("host", target.address)
    connection = http.client.HTTPConnection(host, target.port(action["port"]), timeout=timeout_s)
    headers = {header["name"]: header["value"] for header in action.get("httpHeaders", [])}
    try:
        connection.request("GET", action.get("path", "/"), headers={"User-Agent": "kube-probe/1.37", **headers})
        return 200 <= connection.getresponse().status < 400
    finally:
        connection.close()


def _tcp_connect(action: Object, target: Target, timeout_s: float) -> bool:
    socket.create_connection((target.address, target.port(action["port"])), timeout_s).close()
    return True


def _grpc_check(action: Object, target: Target, timeout_s: float) -> bool:
    # gRPC's own threads open the connection, in the network of the underlay and not of the node.
    with grpc.insecure_channel(f"{target.address}:{action['port']}") as channel:
        request = health_pb2.HealthCheckRequest(service=action.get("service") or "")
        reply = health_pb2_grpc.HealthStub(channel).Check(request, timeout=timeout_s)
        return bool(reply.status == health_pb2.HealthCheckResponse.SERVING)


def perform(action: Object, target: Target, timeout_s: float) -> bool:
    """One `httpGet`, `tcpSocket` or `grpc` action; any failure is False."""
    try:
        if "grpc" in action:
            return _grpc_check(action["grpc"], target, timeout_s)
        with linux.in_network_of(target.node_network):
            if "httpGet" in action:
                return _http_get(action["httpGet"], target, timeout_s)
            return _tcp_connect(action["tcpSocket"], target, timeout_s)
    except (OSError, http.client.HTTPException, grpc.RpcError):
        return False


class Prober:
    """Repeats one probe in a thread of its own and tells each change of its verdict."""

    def __init__(
        self, probe: Object, target: Target, initially: bool | None, on_change: Callable[[bool], None]
    ) -> None:
        self._probe = probe
        self._target = target
        self._verdict = initially
        self._on_change = on_change
        self._stopped = threading.Event()

    def start(self) -> None:
        """Begins after `initialDelaySeconds`."""
        threading.Thread(target=self._run, daemon=True).start()

    def stop(self) -> None:
        """No change is told afterwards, but for one that is under way."""
        self._stopped.set()

    def _run(self) -> None:
        successes = failures = 0
        pause = self._probe.get("initialDelaySeconds", 0)
        while not self._stopped.wait(pause):
            pause = self._probe.get("periodSeconds", 10)
            if perform(self._probe, self._target, self._probe.get("timeoutSeconds", 1)):
                successes, failures = successes + 1, 0
            else:
                successes, failures = 0, failures + 1
            if successes >= self._probe.get("successThreshold", 1):
                self._tell(True)
            elif failures >= self._probe.get("failureThreshold", 3):
                self._tell(False)
                failures = 0

    def _tell(self, verdict: bool) -> None:
        # A startup or liveness probe that failed has restarted the container: nothing is left to tell.
        if verdict != self._verdict and not self._stopped.is_set():
            self._verdict = verdict
            self._on_change(verdict)
