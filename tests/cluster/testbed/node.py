# SPDX-License-Identifier: Apache-2.0
"""A Node: its object in the API, its heartbeat, its pods."""

from __future__ import annotations

import threading
import traceback
from datetime import UTC, datetime
from pathlib import Path

from testbed.api import Api, ApiError, Object, Unreachable
from testbed.container_runner import timestamp
from testbed.network import NodeNetwork
from testbed.pod import PodRunner
from testbed.pod_world import NodeContext

_HEARTBEAT_S = 10.0


class Node:
    """What runs on one machine: our stand-in for the kubelet. `sync` is for one thread, the rest for any."""

    def __init__(self, api: Api, network: NodeNetwork, folder: Path, logs: Path, service_env: dict[str, str]) -> None:
        self.name = network.namespace
        self.network = network
        self.labels = {
            "kubernetes.io/hostname": self.name,
            "kubernetes.io/os": "linux",
            "kubernetes.io/arch": "amd64",
            "topology.kubernetes.io/zone": f"zone-{self.name[-1]}",
        }
        self._api = api
        self._context = NodeContext(self.name, api, network, folder / self.name, logs, service_env)
        self._pods: dict[str, PodRunner] = {}
        self._lock = threading.Lock()

    def register(self) -> None:
        """Makes the Node object, Ready, and keeps it alive."""
        node = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": self.name, "labels": self.labels},
            "spec": {"podCIDR": self.network.pod_cidr, "podCIDRs": [self.network.pod_cidr]},
        }
        self._api.create("/api/v1/nodes", node)
        now = timestamp()
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady"}
        ready |= {"lastHeartbeatTime": now, "lastTransitionTime": now}
        resources = {"cpu": "8", "memory": "16Gi", "pods": "250"}
        status = {
            "conditions": [ready],
            "addresses": [
                {"type": "InternalIP", "address": self.network.address},
                {"type": "Hostname", "address": self.name},
            ],
            "capacity": resources,
            "allocatable": resources,
        }
        self._api.patch(f"/api/v1/nodes/{self.name}/status", {"status": status})
        threading.Thread(target=self._beat, daemon=True).start()

    def _beat(self) -> None:
        lease = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self.name, "namespace": "kube-node-lease"},
        }
        path = f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{self.name}"
        pause = threading.Event()
        while True:
            now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            spec = {"holderIdentity": self.name, "leaseDurationSeconds": 40, "renewTime": now}
            try:
                self._api.apply(path, lease | {"spec": spec})
            except Unreachable:
                pass
            except ApiError:
                traceback.print_exc()
            pause.wait(_HEARTBEAT_S)

    def sync(self, pod: Object) -> None:
        """A pod of this node, as it is now: starts it if it is new."""
        uid = pod["metadata"]["uid"]
        with self._lock:
            runner = self._pods.get(uid)
            if runner is not None:
                runner.update(pod)
            elif pod.get("status", {}).get("phase") not in ("Succeeded", "Failed"):
                self._pods[uid] = PodRunner(self._context, pod)

    def remove(self, uid: str) -> None:
        """The pod's object is gone."""
        with self._lock:
            runner = self._pods.pop(uid, None)
        if runner is not None:
            runner.forget()

    def known_uids(self) -> set[str]:
        """Of all pods that were not removed yet."""
        with self._lock:
            return set(self._pods)

    def pod(self, uid: str) -> PodRunner:
        """Raises KeyError if it is not here."""
        with self._lock:
            return self._pods[uid]
