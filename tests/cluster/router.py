# SPDX-License-Identifier: Apache-2.0
"""nodeway in the cluster: installed by `manifests/` as they are, and read through its admin port."""

from __future__ import annotations

import json
import re
import urllib.request
from pathlib import Path

from testbed.api import Object
from testbed.bed import NODE_COUNT, TestBed
from testbed.wait import wait_until

NAMESPACE = "nodeway-system"
MANIFESTS = Path(__file__).resolve().parents[2] / "manifests"
_CONFIG_PATH = f"/api/v1/namespaces/{NAMESPACE}/configmaps/nodeway"
WATCHED = ("services", "endpointslices", "configmaps", "nodes", "pods")
"""Resources of which each router has a watch."""
_SELECTOR = "app.kubernetes.io/name=nodeway"
_SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


class Routers:
    """The DaemonSet and its pods."""

    def __init__(self, bed: TestBed) -> None:
        self._bed = bed

    def install(self) -> None:
        """`kubectl apply -k manifests`, until a router is Ready on every node."""
        self._bed.kubectl("apply", "-k", str(MANIFESTS))
        self.pods()

    def pods(self, timeout_s: float = 60) -> list[Object]:
        """One per node, all Ready."""
        return self._bed.wait_for_pods(NAMESPACE, _SELECTOR, NODE_COUNT, timeout_s)

    def fetch(self, pod: Object, path: str) -> str:
        """A page of a pod's admin port, as Prometheus would get it."""
        with urllib.request.urlopen(f"http://{pod['status']['podIP']}:9990{path}", timeout=10) as reply:
            return str(reply.read().decode())

    def on(self, node: str) -> Object:
        """The pod of one node."""
        return next(pod for pod in self.pods() if pod["spec"]["nodeName"] == node)

    def endpoints(self, pod: Object, namespace: str) -> set[str]:
        """Addresses of the endpoints that a router has for the Services of a namespace."""
        # The admin port tells them only to callers in the pod itself.
        done = self._bed.execute(pod, "nodeway", "endpoints", "--namespace", namespace, "--output", "json")
        assert done.returncode == 0, done.stderr
        return {row["address"].rsplit(":", 1)[0] for row in json.loads(done.stdout)["rows"]}

    def total(self, name: str, **labels: str) -> float:
        """A metric summed over all routers, and over all series that have these labels."""
        return sum(self.value(pod, name, **labels) for pod in self.pods())

    def value(self, pod: Object, name: str, /, **labels: str) -> float:
        """A metric of one router, summed over all series that have these labels."""
        return total_of(self.fetch(pod, "/metrics"), name, **labels)

    def wait_for_watches(self, timeout_s: float = 90) -> None:
        """Until all watches of all routers are open; after an outage they come back one by one."""
        needed = len(WATCHED) * NODE_COUNT
        wait_until(lambda: self.total("nodeway_watch_open") == needed, timeout_s, f"{needed} open watches")

    def requests(self, pod: Object | None = None) -> list[Object]:
        """What the routers, or one of them, have asked of the API server, by its audit log. A watch is in it from its
        beginning."""
        entries = [json.loads(line) for line in self._bed.control_plane.audit_log.read_text().splitlines()]
        account = f"system:serviceaccount:{NAMESPACE}:nodeway"
        mine = [entry for entry in entries if entry["user"]["username"] == account]
        if pod is not None:
            mine = [entry for entry in mine if pod["metadata"]["name"] in _pod_names(entry)]
        return list({entry["auditID"]: entry for entry in mine}.values())

    def lists(self) -> int:
        """How many lists the routers have asked for, in pages or streaming; without those of audits."""
        return sum(is_list(entry) for entry in self.requests())

    # Configuration

    def configure(self, text: str) -> None:
        """Replaces the ConfigMap's document."""
        self._bed.api.patch(_CONFIG_PATH, {"data": {"nodeway.yaml": text}})

    def configuration(self) -> str:
        """The ConfigMap's document."""
        return str(self._bed.api.get(_CONFIG_PATH)["data"]["nodeway.yaml"])

    def delete_configuration(self) -> None:
        """Removes the ConfigMap."""
        self._bed.api.delete(_CONFIG_PATH)

    def restore(self, text: str) -> None:
        """Puts the document back, and the ConfigMap too if it is gone; until it is in force."""
        if not self._bed.exists(_CONFIG_PATH):
            self._bed.kubectl("apply", "-k", str(MANIFESTS))
        if self.configuration() != text:
            self.configure(text)
        wait_until(lambda: self.total("nodeway_config_valid") == NODE_COUNT, 30, "a valid configuration on every node")

    def configure_and_wait(self, text: str, timeout_s: float = 15) -> None:
        """As `configure`, until every router has it in force."""
        before = self._config_loads()
        self.configure(text)
        wait_until(
            lambda: all(count > before[name] for name, count in self._config_loads().items()),
            timeout_s,
            "the configuration to be in force on every node",
        )

    def _config_loads(self) -> dict[str, float]:
        return {pod["metadata"]["name"]: self.value(pod, "nodeway_config_applied_total") for pod in self.pods()}

    def events(self) -> list[Object]:
        """Events on the ConfigMap."""
        listed = self._bed.api.get(f"/api/v1/namespaces/{NAMESPACE}/events")
        return [event for event in listed["items"] if event["involvedObject"]["kind"] == "ConfigMap"]


def is_list(entry: Object) -> bool:
    """Whether a request of the API server's audit log is a list from which a router takes its view."""
    return (entry["verb"] == "list" and not is_audit(entry)) or "sendInitialEvents=true" in entry["requestURI"]


def is_audit(entry: Object) -> bool:
    """Whether it is a list with which a router compares its view."""
    return bool(entry["userAgent"] == "nodeway-audit")


def _pod_names(entry: Object) -> list[str]:
    return list(entry["user"].get("extra", {}).get("authentication.kubernetes.io/pod-name", []))


def total_of(exposition: str, name: str, /, **labels: str) -> float:
    """Sums the series of a metric that have these labels, in Prometheus' text format; 0 if there are none."""
    wanted = labels.items()
    return sum(
        float(value) for sample, found, value in _samples(exposition) if sample == name and wanted <= found.items()
    )


def _samples(text: str) -> list[tuple[str, dict[str, str], str]]:
    matches = (_SAMPLE.match(line) for line in text.splitlines() if not line.startswith("#"))
    return [(m.group(1), dict(_LABEL.findall(m.group(2) or "")), m.group(3)) for m in matches if m]
