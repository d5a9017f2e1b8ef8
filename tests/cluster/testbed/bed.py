# SPDX-License-Identifier: Apache-2.0
"""The whole: control plane, nodes, pods, and what tests ask of them. Runs inside `testbed.sandbox` only."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import time
from pathlib import Path

import yaml

from testbed import network
from testbed.api import Api, ApiError, Object
from testbed.control_plane import API_PORT, ControlPlane
from testbed.dns import Dns
from testbed.gate import Gate
from testbed.node import Node
from testbed.pod import PodRunner
from testbed.pod_watch import PodWatch
from testbed.wait import wait_until

_FOLDER = Path("/run/testbed")
GATE_PORT = 6444
NODE_COUNT = 3
IS_LONG = os.environ.get("NODEWAY_TEST_LONG") == "1"
"""Whether tests run in their long variants."""


def logs_folder() -> Path:
    """Logs of the control plane and of every container; kept until the next run."""
    build = os.environ.get("NODEWAY_BUILD_DIR", "build/dev")
    return Path(os.environ.get("NODEWAY_TEST_LOGS") or Path(build) / "tests/cluster/logs").resolve()


class TestBed:
    """One Kubernetes of three nodes. The owner calls `start`; the sandbox's end takes everything away."""

    __test__ = False  # the name is not pytest's

    def __init__(self) -> None:
        if os.getpid() == 1 or not Path("/run/netns").is_dir() and any(Path("/run").iterdir()):
            raise RuntimeError("not in a sandbox: use tests/cluster/run.sh")
        self.logs = logs_folder()
        shutil.rmtree(self.logs, ignore_errors=True)
        self.logs.mkdir(parents=True)
        _FOLDER.mkdir()
        network.make_underlay()
        self.control_plane = ControlPlane(_FOLDER, self.logs)
        self.gate = Gate((network.CONTROL_ADDRESS, GATE_PORT), (network.CONTROL_ADDRESS, API_PORT))
        self.dns = Dns()
        self.kubeconfig = self.control_plane.kubeconfig
        self.api = Api(self.kubeconfig)
        self.nodes: list[Node] = []
        self._numbers = itertools.count(1)
        self._deleted: list[str] = []

    def start(self) -> None:
        """Returns when pods can be made."""
        self.control_plane.start()
        self.gate.start()
        self.dns.start()
        service = {
            "KUBERNETES_SERVICE_HOST": network.CONTROL_ADDRESS,
            "KUBERNETES_SERVICE_PORT": str(GATE_PORT),
            "KUBERNETES_SERVICE_PORT_HTTPS": str(GATE_PORT),
        }
        for node_network in network.make_nodes(NODE_COUNT):
            node = Node(Api(self.kubeconfig), node_network, _FOLDER, self.logs, service)
            node.register()
            self.nodes.append(node)
        PodWatch(Api(self.kubeconfig), self.nodes).start()

    # Objects

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """The real kubectl, as the administrator. A failure raises with what it said."""
        return network.run(
            str(self.control_plane.kubectl), "--kubeconfig", str(self.kubeconfig), *arguments, stdin=stdin
        )

    def apply(self, *objects: Object) -> None:
        """`kubectl apply` of these."""
        self.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(objects))

    def make_namespace(self, prefix: str) -> str:
        """A new one, usable: its ServiceAccount `default` and the CA's ConfigMap are there."""
        name = f"{prefix}-{next(self._numbers)}"
        self.api.create("/api/v1/namespaces", {"metadata": {"name": name}})
        for path in ("serviceaccounts/default", "configmaps/kube-root-ca.crt"):
            wait_until(
                lambda path=path: self.exists(f"/api/v1/namespaces/{name}/{path}"), 30, f"{path} in {name}", 0.05
            )
        return name

    def exists(self, path: str) -> bool:
        """Whether there is an object at `path`."""
        try:
            self.api.get(path)
            return True
        except ApiError as error:
            if error.code != 404:
                raise
            return False

    def token_of(self, namespace: str, account: str) -> str:
        """A fresh token of a ServiceAccount, good for ten minutes."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        return str(self.api.create(path, {"spec": {"expirationSeconds": 600}})["status"]["token"])

    def delete_namespace(self, name: str, timeout_s: float = 30) -> None:
        """Pods are killed, not drained; returns when none is left. The rest goes by itself within seconds."""
        pods = f"/api/v1/namespaces/{name}/pods"
        self.api.delete(f"/api/v1/namespaces/{name}")
        self.api.delete(pods, {"gracePeriodSeconds": 0})
        wait_until(lambda: not self.api.get(pods)["items"], timeout_s, f"the end of the pods in {name}", 0.05)
        self._deleted.append(name)

    def wait_for_deleted_namespaces(self, timeout_s: float = 60) -> None:
        """Until nothing is left of all namespaces that were deleted so far."""
        for name in self._deleted:
            wait_until(lambda name=name: not self.exists(f"/api/v1/namespaces/{name}"), timeout_s, f"the end of {name}")

    # Pods

    def pods(self, namespace: str, selector: str = "") -> list[Object]:
        """Those that are not on their way out, by name."""
        listed = self.api.get(f"/api/v1/namespaces/{namespace}/pods?labelSelector={selector}")
        return [pod for pod in listed["items"] if "deletionTimestamp" not in pod["metadata"]]

    def wait_for_pods(self, namespace: str, selector: str, count: int, timeout_s: float = 60) -> list[Object]:
        """Until exactly `count` pods are there and all are Ready."""

        def all_ready() -> tuple[list[Object]] | None:
            pods = self.pods(namespace, selector)
            return (pods,) if len(pods) == count and all(is_ready(pod) for pod in pods) else None

        try:
            return wait_until(all_ready, timeout_s, f"{count} ready pods {selector} in {namespace}")[0]
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{self.describe(namespace, selector)}") from None

    def describe(self, namespace: str, selector: str = "") -> str:
        """States and last log lines of pods, for messages of failed tests."""
        parts = []
        for pod in self.pods(namespace, selector):
            status = pod.get("status", {})
            states = [entry["state"] for entry in status.get("containerStatuses", [])]
            parts.append(f"{pod['metadata']['name']}: {status.get('phase')} {states} {status.get('message', '')}")
            parts.append(self.log_of(pod)[-2000:])
        return "\n".join(parts)

    def runner(self, pod: Object) -> PodRunner:
        """The bed's side of a pod: its processes, logs, tokens. KeyError if it is gone."""
        node = next(node for node in self.nodes if node.name == pod["spec"]["nodeName"])
        return node.pod(pod["metadata"]["uid"])

    def log_of(self, pod: Object) -> str:
        """What its first container wrote, also when it is gone."""
        meta = pod["metadata"]
        pattern = f"{meta['namespace']}_{meta['name']}_{meta['uid'][:8]}_*.log"
        return "\n".join(path.read_text(errors="replace") for path in sorted(self.logs.glob(pattern)))

    def execute(self, pod: Object, *command: str, timeout_s: float = 20) -> subprocess.CompletedProcess[str]:
        """`kubectl exec`."""
        return self.runner(pod).container().execute(list(command), timeout_s)

    # The API server

    def outage(self, seconds: float) -> None:
        """The API server is killed, stays away, and comes back."""
        self.control_plane.kill_api_server()
        time.sleep(seconds)
        self.control_plane.bring_back()


def is_ready(pod: Object) -> bool:
    """Its Ready condition."""
    conditions = pod.get("status", {}).get("conditions", [])
    return any(entry["type"] == "Ready" and entry["status"] == "True" for entry in conditions)
