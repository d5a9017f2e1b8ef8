# SPDX-License-Identifier: Apache-2.0
"""nodeway as a plain process outside of all pods, by a kubeconfig."""

from __future__ import annotations

import json
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from router import total_of
from testbed.api import Object
from testbed.images import find_image
from testbed.wait import wait_until


class OutsideRouter:
    """One that is ready."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self._log = log
        ready = wait_until(self._ready_line, 30, f"the router to be ready; see {log}")
        self.listen = str(ready["listen"][0])
        self._admin = str(ready["admin"])

    def _ready_line(self) -> Object | None:
        text = self.log()
        assert self._process.poll() is None, text
        lines = [line for line in text.splitlines() if line.startswith('{"event":"ready"') and line.endswith("}")]
        return json.loads(lines[0]) if lines else None

    def log(self) -> str:
        """What it has written so far, to stdout and stderr."""
        return self._log.read_text()

    def fetch(self, path: str) -> str:
        """A page of its admin port."""
        with urllib.request.urlopen(f"http://{self._admin}{path}", timeout=10) as reply:
            return str(reply.read().decode())

    def value(self, name: str, **labels: str) -> float:
        """A metric, summed over all series that have these labels."""
        return total_of(self.fetch("/metrics"), name, **labels)

    def error_for(self, authority: str) -> str:
        """Why it has no answer to a request for this authority, in the words of docs/errors.md."""
        request = urllib.request.Request(f"http://{self.listen}/", headers={"Host": authority})
        try:
            urllib.request.urlopen(request, timeout=10).close()
        except urllib.error.HTTPError as error:
            return str(error.headers["nodeway-error"])
        raise AssertionError(f"{authority} was answered")

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(30)


@contextmanager
def outside_router(kubeconfig: Path, log: Path, *flags: str, image: str = "nodeway") -> Iterator[OutsideRouter]:
    """`nodeway run` on ports of the kernel's choice; killed at the end if it still runs."""
    program = str(find_image(image).files[image])
    addresses = ("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [program, "run", "--kubeconfig", str(kubeconfig), *addresses, *flags],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        yield OutsideRouter(process, log)
    finally:
        process.kill()
        process.wait()
