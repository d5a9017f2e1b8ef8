# SPDX-License-Identifier: Apache-2.0
"""`nodeway check` against the real API server, as a user of its own whose permissions and ConfigMap the tests spoil."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from router import NAMESPACE, WATCHED, Routers
from testbed.api import Object
from testbed.bed import TestBed
from testbed.certificates import Authority
from testbed.control_plane import base64_of
from testbed.images import find_image
from testbed.wait import wait_until

_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_EVERYWHERE = [("", "services"), ("discovery.k8s.io", "endpointslices"), ("", "nodes"), ("", "pods")]
_PERMISSIONS = {f"may {verb} {resource} in all namespaces" for _, resource in _EVERYWHERE for verb in ("list", "watch")}


def _rule(group: str, resource: str, *verbs: str, **more: list[str]) -> Object:
    return {"apiGroups": [group], "resources": [resource], "verbs": list(verbs), **more}


@dataclass(frozen=True)
class Visitor:
    """A ServiceAccount that may do what a router must, and a ConfigMap, in a namespace of their own."""

    bed: TestBed
    namespace: str
    kubeconfig: Path

    def grant(self, *everywhere: tuple[str, str]) -> None:
        """List and watch of these resources in all namespaces, and of no others."""
        rules = [_rule(group, resource, "list", "watch") for group, resource in everywhere]
        self.bed.api.apply(
            f"{_RBAC}/clusterroles/{self.namespace}",
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "ClusterRole",
                "metadata": {"name": self.namespace},
                "rules": rules,
            },
        )

    def configure(self, text: str) -> None:
        """Makes or replaces the ConfigMap."""
        self.bed.apply(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "nodeway", "namespace": self.namespace},
                "data": {"nodeway.yaml": text},
            }
        )

    def check(self, *flags: str) -> subprocess.CompletedProcess[str]:
        """`nodeway check` with this user's kubeconfig."""
        return _check("--kubeconfig", str(self.kubeconfig), "--namespace", self.namespace, *flags)

    def report(self) -> Object:
        """The same, as JSON."""
        return json.loads(self.check("--output", "json").stdout)


def _check(*flags: str) -> subprocess.CompletedProcess[str]:
    nodeway = str(find_image("nodeway").files["nodeway"])
    return subprocess.run([nodeway, "check", *flags], capture_output=True, text=True, timeout=60, check=False)


def _checks(report: Object, status: str) -> list[Object]:
    return [check for group in report["groups"] for check in group["checks"] if check["status"] == status]


def _texts(report: Object, status: str) -> set[str]:
    return {check["text"] for check in _checks(report, status)}


@pytest.fixture
def visitor(bed: TestBed, namespace: str, tmp_path: Path) -> Iterator[Visitor]:
    """One with whom all is well."""
    bed.api.create(f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": "visitor"}})
    token = bed.token_of(namespace, "visitor")
    kubeconfig = bed.control_plane.write_inline_kubeconfig(tmp_path / "config", {"token": token})
    visitor = Visitor(bed, namespace, kubeconfig)
    visitor.grant(*_EVERYWHERE)
    own = [_rule("", "configmaps", "list", "watch", resourceNames=["nodeway"]), _rule("", "events", "create")]
    bed.api.create(f"{_RBAC}/namespaces/{namespace}/roles", {"metadata": {"name": "visitor"}, "rules": own})
    subject = {"kind": "ServiceAccount", "name": "visitor", "namespace": namespace}
    for path, kind, name in (
        (f"{_RBAC}/namespaces/{namespace}/rolebindings", "Role", "visitor"),
        (f"{_RBAC}/clusterrolebindings", "ClusterRole", namespace),
    ):
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name}
        bed.api.create(path, {"metadata": {"name": name}, "roleRef": role, "subjects": [subject]})
    visitor.configure("version: 1\n")
    # The API server takes a moment to follow.
    wait_until(lambda: not _checks(visitor.report(), "failed"), 15, "the permissions to be in force")
    yield visitor
    bed.api.delete(f"{_RBAC}/clusterrolebindings/{namespace}")
    bed.api.delete(f"{_RBAC}/clusterroles/{namespace}")


def test_all_is_well_for_who_may_what_a_router_must(visitor: Visitor) -> None:
    done = visitor.check()
    report = visitor.report()

    assert done.returncode == 0, done.stdout
    assert done.stdout.endswith("✓ all is well\n")
    assert done.stderr == ""
    assert report["ok"]
    assert _texts(report, "passed") >= _PERMISSIONS
    assert {"it is valid", f"may create events in namespace {visitor.namespace}"} <= _texts(report, "passed")
    assert any(text.endswith("answers, its certificate is valid") for text in _texts(report, "passed"))
    assert any(text.startswith("Kubernetes 1.") for text in _texts(report, "passed"))
    assert len(_texts(report, "skipped")) == 1  # no router here


def test_each_missing_permission_is_told_by_name(visitor: Visitor) -> None:
    visitor.grant(*_EVERYWHERE[:-1])
    wait_until(lambda: not visitor.report()["ok"], 15, "the permission to be gone")

    done = visitor.check()
    failures = _checks(visitor.report(), "failed")

    assert done.returncode == 1
    assert "  × may not watch pods in all namespaces\n" in done.stdout
    assert done.stdout.endswith("× 2 failures\n")
    assert [failure["text"] for failure in failures] == [
        "may not list pods in all namespaces",
        "may not watch pods in all namespaces",
    ]
    assert all("manifests/rbac.yaml" in failure["hint"] for failure in failures)


def test_a_wrong_configmap_is_told_with_line_and_column(visitor: Visitor) -> None:
    visitor.configure("version: 1\nservces: {}\n")

    done = visitor.check()
    failures = _checks(visitor.report(), "failed")

    assert done.returncode == 1
    assert [failure["text"] for failure in failures] == [
        'nodeway.yaml: 2:1: servces: unknown field "servces"; did you mean services?'
    ]
    assert failures[0]["hint"]


def test_a_configmap_that_is_not_there_is_no_failure(bed: TestBed, visitor: Visitor) -> None:
    bed.api.delete(f"/api/v1/namespaces/{visitor.namespace}/configmaps/nodeway")

    report = visitor.report()

    assert report["ok"]
    assert any("the defaults are in force" in text for text in _texts(report, "skipped"))


def _wrong_port(kubeconfig: Object, _folder: Path) -> None:
    kubeconfig["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"


def _wrong_authority(kubeconfig: Object, folder: Path) -> None:
    other = base64_of(Authority(folder / "other").certificate)
    kubeconfig["clusters"][0]["cluster"]["certificate-authority-data"] = other


def _nothing(_kubeconfig: Object, _folder: Path) -> None:
    """The token is wrong already."""


@pytest.mark.parametrize(
    ("spoil", "found", "advice"),
    [
        (_wrong_port, "Connection refused", "is it running"),
        (_wrong_authority, "certificate verify failed", "signed by the CA of the kubeconfig"),
        (_nothing, "HTTP 401", "not accepted"),
    ],
)
def test_a_server_that_is_not_reached_is_the_only_failure(
    bed: TestBed, tmp_path: Path, spoil: Callable[[Object, Path], None], found: str, advice: str
) -> None:
    path = bed.control_plane.write_inline_kubeconfig(tmp_path / "config", {"token": "wrong"})
    kubeconfig = json.loads(path.read_text())
    spoil(kubeconfig, tmp_path)
    path.write_text(json.dumps(kubeconfig))

    done = _check("--kubeconfig", str(path), "--output", "json")
    failures = _checks(json.loads(done.stdout), "failed")

    assert done.returncode == 1
    assert len(failures) == 1
    assert found in failures[0]["text"]
    assert advice in failures[0]["hint"]
    assert {"not looked at: see above"} < _texts(json.loads(done.stdout), "skipped")


def test_a_file_is_checked_before_the_cluster_and_its_errors_decide(visitor: Visitor, tmp_path: Path) -> None:
    good, wrong = tmp_path / "good.yaml", tmp_path / "wrong.yaml"
    good.write_text("version: 1\n")
    wrong.write_text("version: 2\n")

    with_good, with_wrong = visitor.check(str(good)), visitor.check(str(wrong))

    assert with_good.returncode == 0
    assert with_good.stdout.startswith(f"✓ {good}: read, 11 bytes\n")
    assert with_good.stdout.endswith("✓ all is well\n")
    assert with_wrong.returncode == 2
    assert f"{wrong}:1:10: version" in with_wrong.stderr
    assert "API server\n" in with_wrong.stdout


def test_in_a_router_s_own_pod_it_needs_no_flags_and_looks_at_the_router_too(bed: TestBed, routers: Routers) -> None:
    done = bed.execute(routers.pods()[0], "nodeway", "check", "--output", "json")

    report = json.loads(done.stdout)
    passed = _texts(report, "passed")
    assert report["groups"][-1]["title"] == "router at http://127.0.0.1:9990"
    assert {"answers", "ready", f"ConfigMap {NAMESPACE}/nodeway is in force"} <= passed
    assert "port 4140 takes connections" in passed
    for resource in WATCHED:
        assert any(text.startswith(f"{resource}: ") for text in passed), passed
    assert not _texts(report, "failed")
    assert done.returncode == 0
