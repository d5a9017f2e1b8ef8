# SPDX-License-Identifier: Apache-2.0
"""Sees all pods of the cluster and hands each to the scheduler or to its node."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Sequence

from testbed.api import Api, ApiError, Object, Unreachable
from testbed.node import Node
from testbed.scheduler import Scheduler

_PODS = "/api/v1/pods"
_PAUSE_S = 0.5


class PodWatch:
    """One thread for the whole cluster: list, watch, and again when the watch ends."""

    def __init__(self, api: Api, nodes: Sequence[Node]) -> None:
        self._api = api
        self._nodes = {node.name: node for node in nodes}
        self._scheduler = Scheduler(api, nodes)

    def start(self) -> None:
        """Runs until the process ends."""
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            try:
                self._follow(self._list())
            except Unreachable:
                pass
            except ApiError as error:
                print(f"pod watch: {error}")
            except Exception:  # a fault of the bed: it must be seen, and the others must go on
                traceback.print_exc()
            pause.wait(_PAUSE_S)

    def _list(self) -> str:
        listed = self._api.get(_PODS)
        uids = {pod["metadata"]["uid"] for pod in listed["items"]}
        for node in self._nodes.values():
            for uid in node.known_uids() - uids:
                self._remove(node, uid)
        for pod in listed["items"]:
            self._see(pod)
        return str(listed["metadata"]["resourceVersion"])

    def _follow(self, version: str) -> None:
        for event in self._api.watch(_PODS, version):
            if event["type"] == "ERROR":
                return  # most likely 410: list afresh
            if event["type"] == "DELETED":
                pod = event["object"]
                node = self._nodes.get(pod["spec"].get("nodeName", ""))
                if node is not None:
                    self._remove(node, pod["metadata"]["uid"])
            elif event["type"] in ("ADDED", "MODIFIED"):
                self._see(event["object"])

    def _see(self, pod: Object) -> None:
        name = pod["spec"].get("nodeName", "")
        if not name:
            if "deletionTimestamp" not in pod["metadata"]:
                self._scheduler.bind(pod)
            return
        node = self._nodes.get(name)
        if node is not None:
            self._scheduler.note(pod)
            node.sync(pod)

    def _remove(self, node: Node, uid: str) -> None:
        self._scheduler.forget(uid)
        node.remove(uid)
