# SPDX-License-Identifier: Apache-2.0
"""`nodeway run --kubeconfig FILE` as a plain process outside of all pods, against the cluster's real API server."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from calculator import assert_none_failed, deploy
from outside import outside_router
from router import NAMESPACE, Routers
from testbed.api import Object
from testbed.bed import TestBed
from testbed.control_plane import base64_of
from testbed.images import find_image


def _token(bed: TestBed) -> Object:
    return {"token": bed.token_of(NAMESPACE, "nodeway")}


def _client_certificate(bed: TestBed) -> Object:
    certificate, key = bed.control_plane.authority.issue_client("outside", "system:masters")
    return {"client-certificate-data": base64_of(certificate), "client-key-data": base64_of(key)}


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

    with outside_router(kubeconfig, bed.logs / f"{namespace}_outside.log") as router:
        summary = _call_add(router.listen, namespace)
        endpoints = json.loads(router.fetch("/api/v1/endpoints"))["rows"]
        exit_code = router.stop()

    endpoints = [row for row in endpoints if row["state"] != "unused"]
    assert_none_failed(summary)
    assert set(summary["operations"]["add"]["pods"]) == {pod["metadata"]["name"] for pod in pods}
    assert {(row["namespace"], row["service"]) for row in endpoints} == {(namespace, "add")}
    assert {row["address"].split(":")[0] for row in endpoints} == {pod["status"]["podIP"] for pod in pods}
    assert exit_code == 0
