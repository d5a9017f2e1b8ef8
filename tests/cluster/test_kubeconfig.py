# SPDX-License-Identifier: Apache-2.0
"""`nodeway run --kubeconfig FILE` as a plain process outside of all pods, against the cluster's real API server."""

from __future__ import annotations

import json
import signal
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from calculator import assert_none_failed, deploy
from router import NAMESPACE, Routers
from testbed.api import Object
from testbed.bed import TestBed
from testbed.control_plane import base64_of
from testbed.images import find_image
from testbed.wait import wait_until


def _token(bed: TestBed) -> Object:
    return {"token": bed.token_of(NAMESPACE, "nodeway")}


def _client_certificate(bed: TestBed) -> Object:
    certificate, key = bed.control_plane.authority.issue_client("outside", "system:masters")
    return {"client-certificate-data": base64_of(certificate), "client-key-data": base64_of(key)}


@contextmanager
def _router(kubeconfig: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`nodeway run` on ports of the kernel's choice; killed at the end if it still runs."""
    nodeway = str(find_image("nodeway").files["nodeway"])
    addresses = ("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [nodeway, "run", "--kubeconfig", str(kubeconfig), *addresses],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _ready_line(process: subprocess.Popen[bytes], log: Path) -> Object | None:
    """What the router says on stdout once it is ready; None before."""
    text = log.read_text()
    assert process.poll() is None, text
    lines = [line for line in text.splitlines() if line.startswith('{"event":"ready"') and line.endswith("}")]
    return json.loads(lines[0]) if lines else None


def _call_add(target: str, namespace: str) -> Object:
    load = str(find_image("nodeway-calculator").files["nodeway-calculator"])
    authority = ("--authority-suffix", f".{namespace}")
    command = [load, "load", "--target", target, "--only", "add", *authority, "--requests", "50"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("user", [_token, _client_certificate])
def test_a_kubeconfig_with_inline_data_is_all_that_a_router_outside_of_a_pod_needs(
    bed: TestBed, routers: Routers, namespace: str, tmp_path: Path, user: Callable[[TestBed], Object]
) -> None:
    pods = deploy(bed, namespace, replicas=2)
    kubeconfig = bed.control_plane.write_inline_kubeconfig(tmp_path / "config", user(bed))

    log = bed.logs / f"{namespace}_outside.log"
    with _router(kubeconfig, log) as router:
        ready = wait_until(lambda: _ready_line(router, log), 30, f"the router to be ready; see {log}")
        summary = _call_add(ready["listen"][0], namespace)
        with urllib.request.urlopen(f"http://{ready['admin']}/api/v1/endpoints", timeout=10) as reply:
            endpoints = json.load(reply)["rows"]
        router.send_signal(signal.SIGTERM)
        exit_code = router.wait(30)

    assert_none_failed(summary)
    assert set(summary["operations"]["add"]["pods"]) == {pod["metadata"]["name"] for pod in pods}
    assert {(row["namespace"], row["service"]) for row in endpoints} == {(namespace, "add")}
    assert {row["address"].split(":")[0] for row in endpoints} == {pod["status"]["podIP"] for pod in pods}
    assert exit_code == 0
