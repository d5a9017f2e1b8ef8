# SPDX-License-Identifier: Apache-2.0
"""One run of one container: its process, signals and end."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Mount:
    """A volume of the pod, shown in the container."""

    source: str
    target: str
    read_only: bool


@dataclass(frozen=True)
class ContainerSpec:
    """All that `container_init` has to know."""

    root: str
    """An empty folder that becomes the mount point of the root."""
    network_namespace: str
    host_network: bool
    hostname: str
    address: str
    nameserver: str
    argv: list[str]
    env: dict[str, str]
    directory: str
    files: dict[str, str]
    mounts: list[Mount]
    uid: int
    gid: int
    groups: list[int]
    capabilities: list[str]
    no_new_privileges: bool
    read_only_root: bool = False


class StartError(Exception):
    """The program could not be started; the message says why."""


class Container:
    """A running container. Its end is told once, from a thread of its own, by `on_exit(code)`."""

    def __init__(self, spec: ContainerSpec, log: Path, on_exit: Callable[[int], None]) -> None:
        spec_path = Path(f"{spec.root}.json")
        spec_path.write_text(json.dumps(asdict(spec)))
        read_end, write_end = os.pipe()
        command = [sys.executable, "-S", "-m", "testbed.container_init", str(spec_path)]
        with log.open("ab") as output:
            self._shim = subprocess.Popen(
                [*command, str(write_end)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(write_end,),
                start_new_session=True,
            )
        os.close(write_end)
        self.pid = self._learn_pid(read_end)
        self._pidfd = os.pidfd_open(self.pid)
        self._lock = threading.Lock()
        self._spec = spec
        threading.Thread(target=self._await_end, args=(on_exit,), daemon=True).start()

    def _learn_pid(self, read_end: int) -> int:
        with os.fdopen(read_end) as control:
            # Ends when the program runs: exec closes the writing end.
            messages = [json.loads(line) for line in control]
        known = {key: value for message in messages for key, value in message.items()}
        if "error" in known or "pid" not in known:
            self._shim.wait()
            raise StartError(known.get("error", "the container's first process did not start"))
        return int(known["pid"])

    def _await_end(self, on_exit: Callable[[int], None]) -> None:
        code = self._shim.wait()
        with self._lock:
            os.close(self._pidfd)
            self._pidfd = -1
        on_exit(code)

    def send(self, number: signal.Signals) -> None:
        """To the container's first process; SIGKILL ends all of its processes. Too late: nothing."""
        with self._lock:
            if self._pidfd < 0:
                return
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)

    def execute(self, command: list[str], timeout_s: float) -> subprocess.CompletedProcess[str]:
        """`kubectl exec`: runs a command in the container as its user."""
        enter = ["nsenter", "-t", str(self.pid), "-m", "-n", "-p", "-i", "-u"]
        identity = ["-S", str(self._spec.uid), "-G", str(self._spec.gid)]
        return subprocess.run(
            [*enter, *identity, "--", *command],
            env=self._spec.env,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
