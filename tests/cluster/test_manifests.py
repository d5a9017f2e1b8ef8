# SPDX-License-Identifier: Apache-2.0
"""`kubectl apply -k manifests` is all, and gives the routers no more than they need."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from router import MANIFESTS, NAMESPACE, Routers
from testbed.api import Api, ApiError, Object
from testbed.bed import TestBed, is_ready
from testbed.wait import wait_until

_CONFIGMAPS = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
_READ = ["get", "list", "watch"]

# All that the ServiceAccount may do beyond what every ServiceAccount may: (API group, resource, name, verbs).
_EVERYWHERE = {
    ("", "services", "*", *_READ),
    ("discovery.k8s.io", "endpointslices", "*", *_READ),
    ("", "nodes", "*", "list", "watch"),
    ("", "pods", "*", "list", "watch"),
}
_IN_ITS_NAMESPACE = {
    ("", "configmaps", "nodeway", *_READ),
    ("", "events", "*", "create"),
}


@pytest.fixture
def as_nodeway(bed: TestBed, routers: Routers) -> Iterator[Api]:
    """The API server as the routers may use it."""
    yield Api(bed.kubeconfig, bed.token_of(NAMESPACE, "nodeway"))


def _process_status(bed: TestBed, pod: Object) -> dict[str, str]:
    lines = Path(f"/proc/{bed.runner(pod).container().pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def test_a_router_becomes_ready_on_every_node(bed: TestBed, routers: Routers) -> None:
    pods = routers.pods()

    assert {pod["spec"]["nodeName"] for pod in pods} == {node.name for node in bed.nodes}
    assert all(pod["spec"]["priorityClassName"] == "system-node-critical" for pod in pods)
    assert sum(entry["restartCount"] for pod in pods for entry in pod["status"]["containerStatuses"]) == 0


def test_applying_the_manifests_again_changes_nothing(bed: TestBed, routers: Routers) -> None:
    lines = bed.kubectl("apply", "-k", str(MANIFESTS), "--dry-run=server").splitlines()

    assert len(lines) >= 7
    assert [line for line in lines if not line.endswith("unchanged (server dry run)")] == []


def test_the_routers_run_without_any_privilege(bed: TestBed, routers: Routers) -> None:
    for pod in routers.pods():
        status = _process_status(bed, pod)
        assert status["Name"] == "nodeway"
        assert "0" not in status["Uid"].split() + status["Gid"].split()
        assert [int(status[name], 16) for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb")] == [0, 0, 0, 0]
        assert status["NoNewPrivs"] == "1"


def test_the_routers_cannot_write_to_their_root_file_system(bed: TestBed, routers: Routers) -> None:
    for pod in routers.pods():
        for path in ("/written", "/tmp/written", "/usr/local/bin/written"):
            done = bed.execute(pod, "touch", path)
            assert done.returncode != 0
            assert "Read-only file system" in done.stderr


def test_the_grace_period_is_longer_than_the_drain(routers: Routers) -> None:
    drain_s = 120  # the default of --drain-timeout, which the manifests leave alone

    assert all(pod["spec"]["terminationGracePeriodSeconds"] > drain_s for pod in routers.pods())
    assert not any("--drain-timeout" in pod["spec"]["containers"][0]["args"] for pod in routers.pods())


def test_the_routers_may_write_to_the_folder_of_their_saved_view_alone(bed: TestBed, routers: Routers) -> None:
    for pod in routers.pods():
        container = pod["spec"]["containers"][0]
        assert container["args"] == ["run", "--saved-view", "/var/lib/nodeway"]
        mounts = [mount for mount in container["volumeMounts"] if not mount.get("readOnly")]
        assert [mount["mountPath"] for mount in mounts] == ["/var/lib/nodeway"]
        volume = next(volume for volume in pod["spec"]["volumes"] if volume["name"] == mounts[0]["name"])
        assert volume["emptyDir"] == {"sizeLimit": "256Mi"}
        wait_until(
            lambda pod=pod: bed.execute(pod, "test", "-s", "/var/lib/nodeway/saved-view.json").returncode == 0,
            15,
            "the saved view",
        )


def _rules(api: Api, namespace: str) -> set[tuple[str, ...]]:
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace},
    }
    status = api.create("/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", review)["status"]
    assert not status["incomplete"]
    return {
        (group, resource, name, *sorted(rule["verbs"]))
        for rule in status["resourceRules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames") or ["*"]
    }


@pytest.mark.parametrize(
    ("reviewed", "expected"), [(NAMESPACE, _EVERYWHERE | _IN_ITS_NAMESPACE), ("kube-system", _EVERYWHERE)]
)
def test_the_permissions_are_exactly_the_golden_list(
    bed: TestBed, as_nodeway: Api, namespace: str, reviewed: str, expected: set[tuple[str, ...]]
) -> None:
    anybody = _rules(Api(bed.kubeconfig, bed.token_of(namespace, "default")), reviewed)

    assert _rules(as_nodeway, reviewed) - anybody == expected


def test_its_own_configmap_is_the_only_one_it_may_read(bed: TestBed, as_nodeway: Api) -> None:
    assert as_nodeway.get(f"{_CONFIGMAPS}?fieldSelector=metadata.name%3Dnodeway")["items"]
    refused = [
        _CONFIGMAPS,
        f"{_CONFIGMAPS}?fieldSelector=metadata.name%3Dkube-root-ca.crt",
        f"{_CONFIGMAPS}/kube-root-ca.crt",
        "/api/v1/namespaces/kube-system/configmaps?fieldSelector=metadata.name%3Dnodeway",
        f"/api/v1/namespaces/{NAMESPACE}/secrets",
        "/api/v1/secrets",
    ]
    for path in refused:
        with pytest.raises(ApiError) as error:
            as_nodeway.get(path)
        assert error.value.code == 403, path


def test_a_roll_replaces_the_routers_one_node_at_a_time(bed: TestBed, routers: Routers) -> None:
    before = [bed.runner(pod) for pod in routers.pods()]
    fewest = len(before)

    bed.kubectl("-n", NAMESPACE, "rollout", "restart", "daemonset/nodeway")
    while any(runner.is_alive for runner in before):
        fewest = min(fewest, sum(is_ready(pod) for pod in bed.pods(NAMESPACE)))
        time.sleep(0.05)
    bed.kubectl("-n", NAMESPACE, "rollout", "status", "daemonset/nodeway", "--timeout=60s")

    assert fewest == len(before) - 1
    assert [runner.exit_code() for runner in before] == [0, 0, 0]  # stopped and drained
    assert {pod["metadata"]["uid"] for pod in routers.pods()}.isdisjoint(runner.uid for runner in before)
