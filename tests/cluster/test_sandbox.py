# SPDX-License-Identifier: Apache-2.0
"""However a run ends, nothing of it is left: shown with a whole bed inside this one."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from testbed.wait import wait_until

_POD = """
apiVersion: v1
kind: Pod
metadata: {name: sleeper}
spec:
  containers: [{name: sleeper, image: python, command: [sleep, "1000"], volumeMounts: [{name: v, mountPath: /v}]}]
  volumes: [{name: v, emptyDir: {}}]
"""
_SCRIPT = """
until kubectl get serviceaccount default >/dev/null 2>&1; do sleep 0.2; done
kubectl apply -f - >/dev/null && kubectl wait --for=condition=Ready pod/sleeper --timeout=60s >/dev/null && echo up
exec sleep 1000
"""


def _processes() -> set[str]:
    """All that this sandbox can see, so also those of sandboxes in it."""
    return {entry for entry in os.listdir("/proc") if entry.isdigit()}


def _names_in(folder: str) -> list[str]:
    return os.listdir(folder) if os.path.isdir(folder) else []


def _traces() -> set[str]:
    """Mounts, links and network namespaces. Those of this sandbox's own bed may go meanwhile, but none may come."""
    links = [name for _, name in socket.if_nameindex()]
    return {*Path("/proc/self/mounts").read_text().splitlines(), *links, *_names_in("/run"), *_names_in("/run/netns")}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_an_interrupted_run_leaves_nothing_behind(number: signal.Signals, tmp_path: Path) -> None:
    before, traces = _processes(), _traces()
    shell = [sys.executable, "-m", "testbed.shell", "bash", "-c", _SCRIPT]
    run = subprocess.Popen(
        [sys.executable, "-m", "testbed.sandbox", *shell],
        env=os.environ | {"NODEWAY_TEST_LOGS": str(tmp_path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert run.stdin is not None and run.stdout is not None
    run.stdin.write(_POD.encode())
    run.stdin.close()
    assert run.stdout.readline() == b"up\n"
    assert len(_processes() - before) >= 8  # otherwise there was nothing to leave behind

    run.send_signal(number)

    assert run.wait(30) != 0
    run.stdout.close()
    wait_until(lambda: not _processes() - before, 10, "the end of all processes")
    assert _traces() - traces == set()
