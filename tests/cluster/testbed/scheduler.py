# SPDX-License-Identifier: Apache-2.0
"""Binds pods to nodes: node selector and required node affinity, then spread by owner."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from testbed.api import Api, ApiError, Object, Unreachable
from testbed.node import Node


def _owner(pod: Object) -> str:
    owners = pod["metadata"].get("ownerReferences", [])
    return str(owners[0]["uid"]) if owners else str(pod["metadata"]["uid"])


def _matches(requirement: Object, value: str | None) -> bool:
    operator = requirement["operator"]
    values = requirement.get("values", [])
    if operator == "In":
        return value in values
    if operator == "NotIn":
        return value not in values
    if operator == "Exists":
        return value is not None
    if operator == "DoesNotExist":
        return value is None
    raise ValueError(f"the test bed knows no operator {operator}")


def _term_matches(term: Object, node: Node) -> bool:
    fields = all(_matches(entry, node.name) for entry in term.get("matchFields", []))
    labels = all(_matches(entry, node.labels.get(entry["key"])) for entry in term.get("matchExpressions", []))
    return fields and labels


def may_run_on(pod: Object, node: Node) -> bool:
    """Whether the pod's node selector and required node affinity allow it."""
    wanted = pod["spec"].get("nodeSelector", {})
    if any(node.labels.get(key) != value for key, value in wanted.items()):
        return False
    affinity = pod["spec"].get("affinity", {}).get("nodeAffinity", {})
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    return required is None or any(_term_matches(term, node) for term in required["nodeSelectorTerms"])


class Scheduler:
    """For the thread that sees the pods."""

    def __init__(self, api: Api, nodes: Sequence[Node]) -> None:
        self._api = api
        self._nodes = nodes
        self._bound: dict[str, tuple[str, str]] = {}
        """By uid of the pod: node and owner."""

    def note(self, pod: Object) -> None:
        """A pod that is bound, by us or by its own spec."""
        self._bound[pod["metadata"]["uid"]] = (pod["spec"]["nodeName"], _owner(pod))

    def forget(self, uid: str) -> None:
        """A pod that is gone."""
        self._bound.pop(uid, None)

    def bind(self, pod: Object) -> None:
        """Chooses a node and tells the API server. No node fits: the pod stays pending."""
        fitting = [node for node in self._nodes if may_run_on(pod, node)]
        if not fitting:
            return
        siblings = Counter(node for node, owner in self._bound.values() if owner == _owner(pod))
        everything = Counter(node for node, _ in self._bound.values())
        chosen = min(fitting, key=lambda node: (siblings[node.name], everything[node.name], node.name))
        meta = pod["metadata"]
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": meta["name"], "uid": meta["uid"]},
            "target": {"apiVersion": "v1", "kind": "Node", "name": chosen.name},
        }
        try:
            self._api.create(f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}/binding", binding)
            self._bound[meta["uid"]] = (chosen.name, _owner(pod))
        except (ApiError, Unreachable):
            pass  # deleted or bound meanwhile; otherwise the next list brings it again
