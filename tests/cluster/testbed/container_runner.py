# SPDX-License-Identifier: Apache-2.0
"""Keeps one container of a pod as its spec says: started, probed, restarted, terminated.

waiting ──start──> running ──exit──> terminated
   ^                                     │ restart policy
   └──────────── back-off ───────────────┘
"""

from __future__ import annotations

import http.client
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

from testbed import linux
from testbed.api import ApiError, Object, Unreachable
from testbed.container import Container, StartError
from testbed.environment import ConfigError
from testbed.images import ImageNotFound
from testbed.pod_world import PodWorld
from testbed.probes import Prober, Target

# Kubelet's: at once after the first end, then 10 s doubled up to 5 min.
_FIRST_BACKOFF_S = 10.0
_LAST_BACKOFF_S = 300.0
# A container that could not be made at all is tried again soon: a ConfigMap may be on its way.
_RETRY_S = 1.0


def timestamp() -> str:
    """The present, as metav1.Time writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class ContainerRunner:
    """`step` and `status` belong to the pod's thread; callbacks of others only set fields and wake it."""

    def __init__(self, world: PodWorld, spec: Object, wake: Callable[[], None], restart_policy: str) -> None:
        self._world = world
        self._spec = spec
        self._wake = wake
        self._restart_policy = restart_policy
        self._runs = 0
        self._start_at = 0.0
        self._backoff_s = 0.0
        self._state: Object = {"waiting": {"reason": "ContainerCreating"}}
        self._last_state: Object = {}
        self._started_at = ""
        self._exit_code: int | None = None
        self._container: Container | None = None
        self._probers: list[Prober] = []
        self._started = False
        self._ready = False
        self._terminating = False

    @property
    def name(self) -> str:
        """As in the pod's spec."""
        return str(self._spec["name"])

    @property
    def container(self) -> Container | None:
        """The running one."""
        return self._container

    @property
    def exit_code(self) -> int | None:
        """Of the last run, if it has ended and no other follows."""
        terminated = self._state.get("terminated")
        return None if terminated is None else int(terminated["exitCode"])

    @property
    def is_ready(self) -> bool:
        """Running, started and, if it has a readiness probe, found ready by it."""
        return self._container is not None and self._started and self._ready

    @property
    def runs(self) -> int:
        """How often it was started."""
        return self._runs

    def step(self, now: float) -> None:
        """Takes note of an end; starts the container if it is time to."""
        if self._exit_code is not None:
            self._note_end(now)
        if self._container is None and not self._terminating and "waiting" in self._state and now >= self._start_at:
            self._start(now)

    def _start(self, now: float) -> None:
        try:
            spec = self._world.container_spec(self._spec, self._runs)
            log = self._world.log_path(self.name, self._runs)
            self._container = Container(spec, log, self._on_exit)
        except (ConfigError, ImageNotFound, StartError, ApiError, Unreachable) as error:
            reason = {ImageNotFound: "ErrImagePull", StartError: "RunContainerError"}
            self._wait(reason.get(type(error), "CreateContainerConfigError"), str(error), now + _RETRY_S)
            return
        self._runs += 1
        self._started_at = timestamp()
        self._state = {"running": {"startedAt": self._started_at}}
        self._started = "startupProbe" not in self._spec
        self._ready = "readinessProbe" not in self._spec
        self._start_probes()

    def _wait(self, reason: str, message: str, until: float) -> None:
        self._state = {"waiting": {"reason": reason, "message": message}}
        self._start_at = until

    def _on_exit(self, code: int) -> None:
        self._exit_code = code
        self._wake()

    def _note_end(self, now: float) -> None:
        code, self._exit_code = self._exit_code, None
        assert code is not None
        self._stop_probes()
        self._container = None
        self._started = self._ready = False
        ended = {
            "exitCode": code,
            "reason": "Completed" if code == 0 else "Error",
            "startedAt": self._started_at,
            "finishedAt": timestamp(),
        }
        self._state = {"terminated": ended}
        again = self._restart_policy == "Always" or (self._restart_policy == "OnFailure" and code != 0)
        if again and not self._terminating:
            self._last_state = self._state
            self._wait("CrashLoopBackOff", f"ended with {code}", now + self._backoff_s)
            self._backoff_s = min(max(_FIRST_BACKOFF_S, 2 * self._backoff_s), _LAST_BACKOFF_S)

    # Probes

    def _start_probes(self) -> None:
        if "startupProbe" in self._spec:
            self._probe("startupProbe", False, self._on_startup)
        else:
            self._start_later_probes()

    def _start_later_probes(self) -> None:
        if "readinessProbe" in self._spec:
            self._probe("readinessProbe", False, self._on_readiness)
        if "livenessProbe" in self._spec and not self._terminating:
            self._probe("livenessProbe", True, self._on_liveness)

    def _target(self) -> Target:
        ports = {port["name"]: port["containerPort"] for port in self._spec.get("ports", []) if "name" in port}
        return Target(self._world.address, ports, linux.namespace_path(self._world.node.network.namespace))

    def _probe(self, kind: str, initially: bool, on_change: Callable[[bool], None]) -> None:
        # A startup probe begins without a verdict, so that its first failure counts as a change.
        prober = Prober(self._spec[kind], self._target(), initially if kind != "startupProbe" else None, on_change)
        self._probers.append(prober)
        prober.start()

    def _stop_probes(self) -> None:
        for prober in self._probers:
            prober.stop()
        self._probers = []

    def _on_startup(self, passed: bool) -> None:
        self._probers.pop().stop()
        if passed:
            self._started = True
            self._start_later_probes()
            self._wake()
        else:
            self._end_in_background("startup probe failed")

    def _on_readiness(self, passed: bool) -> None:
        self._ready = passed
        self._wake()

    def _on_liveness(self, passed: bool) -> None:
        if not passed:
            self._end_in_background("liveness probe failed")

    def _end_in_background(self, why: str) -> None:
        self._log(why)
        grace_s = float(self._world.pod["spec"].get("terminationGracePeriodSeconds", 30))
        deadline = time.monotonic() + grace_s
        threading.Thread(target=self._end, args=(lambda: deadline,), daemon=True).start()

    def _log(self, text: str) -> None:
        with self._world.log_path(self.name, self._runs - 1).open("a") as log:
            log.write(f"[kubelet of the test bed] {text}\n")

    # Termination

    def terminate(self, deadline: Callable[[], float]) -> None:
        """Begins preStop, SIGTERM, SIGKILL; `deadline` may come nearer meanwhile. Told by `exit_code`."""
        self._terminating = True
        if self._container is None:
            if "terminated" not in self._state:
                self._state = {"terminated": {"exitCode": 137, "reason": "ContainerStatusUnknown"}}
            return
        threading.Thread(target=self._end, args=(deadline,), daemon=True).start()

    def _end(self, deadline: Callable[[], float]) -> None:
        container = self._container
        if container is None:
            return
        hook = (self._spec.get("lifecycle") or {}).get("preStop")
        if hook:
            self._run_hook(hook, container, deadline)
        container.send(signal.SIGTERM)
        while self._container is container and self._exit_code is None:
            if time.monotonic() >= deadline():
                container.send(signal.SIGKILL)
            time.sleep(0.05)

    def _run_hook(self, hook: Object, container: Container, deadline: Callable[[], float]) -> None:
        left = max(0.0, deadline() - time.monotonic())
        try:
            if "exec" in hook:
                container.execute(hook["exec"]["command"], left)
            elif "sleep" in hook:
                time.sleep(min(left, hook["sleep"]["seconds"]))
            elif "httpGet" in hook:
                self._http_hook(hook["httpGet"], left)
        except (OSError, subprocess.SubprocessError, http.client.HTTPException) as error:
            self._log(f"preStop: {error}")

    def _http_hook(self, action: Object, timeout_s: float) -> None:
        target = self._target()
        with linux.in_network_of(target.node_network):
            connection = http.client.HTTPConnection(target.address, target.port(action["port"]), timeout=timeout_s)
            connection.request("GET", action.get("path", "/"))
            connection.getresponse().read()
            connection.close()

    def status(self) -> Object:
        """A ContainerStatus."""
        return {
            "name": self.name,
            "image": self._spec["image"],
            "imageID": f"testbed/{self._spec['image']}",
            "containerID": f"testbed://{self._world.pod['metadata']['uid']}/{self.name}/{self._runs}",
            "ready": self.is_ready,
            "started": self._started,
            "restartCount": max(0, self._runs - 1),
            "state": self._state,
            "lastState": self._last_state,
        }
