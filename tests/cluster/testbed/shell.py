# SPDX-License-Identifier: Apache-2.0
"""A bed to play with: `run.sh --shell [COMMAND [ARG...]]`. It lives as long as the command, by default a shell."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from testbed.bed import TestBed
from testbed.sandbox import SUPERVISOR

_MANIFESTS = Path(__file__).resolve().parents[3] / "manifests"
_HINTS = """
A Kubernetes of three nodes runs in this shell's own namespaces, and ends with it.
  kubectl get pods -A                     KUBECONFIG is set
  ip netns; ip netns exec node-1 bash     nodes are node-1, node-2, node-3; pods pod-UID
  ls {logs}
  kubectl apply -k {manifests}
  nsenter -t $(pgrep -P {pid}) -n -m -p   from another terminal, as root
"""


def main(command: list[str]) -> int:
    """Exit code of the command."""
    bed = TestBed()
    print("starting the control plane and the nodes ...", file=sys.stderr)
    bed.start()
    path = f"{bed.control_plane.kubectl.parent}:{os.environ['PATH']}"
    env = os.environ | {"KUBECONFIG": str(bed.kubeconfig), "PATH": path}
    if not command:
        hints = _HINTS.format(logs=bed.logs, manifests=_MANIFESTS, pid=os.environ[SUPERVISOR])
        print(hints, file=sys.stderr)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C belongs to what runs in the shell
        env["PS1"] = r"testbed:\w\$ "
        command = ["bash", "--norc", "-i"]
    return subprocess.run(command, env=env, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
