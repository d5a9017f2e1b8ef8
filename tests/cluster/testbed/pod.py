# SPDX-License-Identifier: Apache-2.0
"""The life of one pod on its node, from binding to the end of its object."""

from __future__ import annotations

import threading
import time
import traceback

from testbed.api import ApiError, Object, Unreachable
from testbed.container import Container
from testbed.container_runner import ContainerRunner, timestamp
from testbed.environment import ConfigError
from testbed.pod_world import NodeContext, PodWorld

_TICK_S = 1.0
_CONDITIONS = ("PodReadyToStartContainers", "Initialized", "ContainersReady", "Ready", "PodScheduled")
_GONE = (404, 409)  # the object was deleted, or is another one by now


class PodRunner:
    """Owns a pod's thread. `update` and `forget` may be called from any thread."""

    def __init__(self, node: NodeContext, pod: Object) -> None:
        self._world = PodWorld(node, pod)
        self._api = node.api
        self._event = threading.Event()
        self._deadline: float | None = None
        self._is_forgotten = False
        self._initialized = False
        self._failure = ""
        self._sent: Object = {}
        self._conditions: dict[str, Object] = {}
        self._started_at = timestamp()
        policy = pod["spec"].get("restartPolicy", "Always")
        init_policy = "Never" if policy == "Never" else "OnFailure"
        self._init = self._runners("initContainers", init_policy)
        self._main = self._runners("containers", policy)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.update(pod)
        self._thread.start()

    def _runners(self, key: str, policy: str) -> list[ContainerRunner]:
        specs = self._world.pod["spec"].get(key, [])
        return [ContainerRunner(self._world, spec, self._event.set, policy) for spec in specs]

    @property
    def uid(self) -> str:
        """Of the object; a StatefulSet's next pod has the same name and another uid."""
        return str(self._world.pod["metadata"]["uid"])

    @property
    def is_alive(self) -> bool:
        """False once nothing is left of it."""
        return self._thread.is_alive()

    def update(self, pod: Object) -> None:
        """The object as the API server has it now; a deletion begins the termination."""
        if "deletionTimestamp" in pod["metadata"]:
            self._end_within(float(pod["metadata"].get("deletionGracePeriodSeconds", 30)))

    def forget(self) -> None:
        """The object is gone already: nothing is left to be graceful for."""
        self._is_forgotten = True
        self._end_within(0.0)

    def _end_within(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        if self._deadline is None or deadline < self._deadline:
            self._deadline = deadline
        self._event.set()

    def container(self, name: str | None = None) -> Container:
        """The running container of that name, or the first one."""
        for runner in self._main:
            if name in (None, runner.name) and runner.container is not None:
                return runner.container
        raise LookupError(f"{self._world.path}: no container {name or ''} is running")

    def log(self, name: str | None = None) -> str:
        """What the last run of a container has written so far."""
        runner = next(runner for runner in self._main if name in (None, runner.name))
        path = self._world.log_path(runner.name, max(0, runner.runs - 1))
        return path.read_text(errors="replace") if path.exists() else ""

    def exit_code(self, name: str | None = None) -> int | None:
        """Of a container that has ended for good, also when the pod is gone."""
        return next(runner for runner in self._main if name in (None, runner.name)).exit_code

    def rotate_tokens(self) -> None:
        """Writes fresh ServiceAccount tokens now instead of at 80 % of their life."""
        self._world.volumes.refresh_tokens(time.monotonic(), force=True)

    def _run(self) -> None:
        try:
            if self._make_world():
                self._live()
                self._terminate()
        except Exception:  # a fault of the bed: it must be seen, and the others must go on
            traceback.print_exc()
            for runner in [*self._init, *self._main]:
                runner.terminate(lambda: 0.0)
        finally:
            self._world.detach()
        self._delete_object()

    def _make_world(self) -> bool:
        self._world.attach()
        while self._deadline is None:
            try:
                self._world.volumes.make()
                return True
            except (ConfigError, ApiError, Unreachable) as error:
                self._failure = f"{type(error).__name__}: {error}"
            self._publish()
            self._pause()
        return False

    def _pause(self) -> None:
        self._event.wait(_TICK_S)
        self._event.clear()

    def _live(self) -> None:
        """Runs init containers in their order, then the others, until the pod is to end."""
        self._failure = ""
        while self._deadline is None:
            self._step()
            self._publish()
            self._pause()

    def _step(self) -> None:
        now = time.monotonic()
        for runner in self._init:
            if runner.exit_code != 0:
                runner.step(now)
                return
        self._initialized = True
        for runner in self._main:
            runner.step(now)
        try:
            self._world.volumes.refresh_tokens(now)
        except (ConfigError, ApiError, Unreachable) as error:
            self._failure = f"token: {error}"  # tried again with the next tick

    def _terminate(self) -> None:
        runners = [*self._init, *self._main]
        for runner in runners:
            runner.terminate(lambda: self._deadline or 0.0)
        while any(runner.exit_code is None for runner in runners):
            for runner in runners:
                runner.step(time.monotonic())
            self._publish()
            self._pause()
        self._publish()

    def _delete_object(self) -> None:
        """A pod's object lives until its node confirms the end."""
        body = {"gracePeriodSeconds": 0, "preconditions": {"uid": self.uid}}
        while not self._is_forgotten and self._deadline is not None:
            try:
                self._api.delete(self._world.path, body)
                return
            except ApiError as error:
                if error.code in _GONE:
                    return
            except Unreachable:
                pass
            time.sleep(_TICK_S)

    # Status

    def _phase(self) -> str:
        if not all(runner.runs > 0 for runner in self._main):
            return "Pending"
        codes = [runner.exit_code for runner in self._main]
        if None in codes:
            return "Running"
        return "Failed" if any(codes) else "Succeeded"

    def _status(self) -> Object:
        ready = self._initialized and all(runner.is_ready for runner in self._main)
        truths = (bool(self._world.address), self._initialized, ready, ready, True)
        for kind, truth in zip(_CONDITIONS, truths, strict=True):
            value = "True" if truth else "False"
            if self._conditions.get(kind, {}).get("status") != value:
                self._conditions[kind] = {"type": kind, "status": value, "lastTransitionTime": timestamp()}
        address = self._world.node.network.address
        return {
            "phase": self._phase(),
            "message": self._failure or None,
            "conditions": list(self._conditions.values()),
            "hostIP": address,
            "hostIPs": [{"ip": address}],
            "podIP": self._world.address,
            "podIPs": [{"ip": self._world.address}],
            "startTime": self._started_at,
            "initContainerStatuses": [runner.status() for runner in self._init],
            "containerStatuses": [runner.status() for runner in self._main],
        }

    def _publish(self) -> None:
        status = self._status()
        if status == self._sent or self._is_forgotten:
            return
        try:
            # The uid makes it a conflict if the name belongs to another pod by now.
            self._api.patch(f"{self._world.path}/status", {"metadata": {"uid": self.uid}, "status": status})
            self._sent = status
        except ApiError as error:
            if error.code not in _GONE:
                traceback.print_exc()
        except Unreachable:
            pass  # the next tick tries again; the pod runs on meanwhile
