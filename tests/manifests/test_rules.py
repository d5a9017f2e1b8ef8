#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the manifests must say for the rules of docs/kubernetes.md, told from its text, without a cluster.

usage: test_rules.py [TEST...]
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DAEMON_SET = (ROOT / "manifests/daemon_set.yaml").read_text()
FLOW_CONTROL = (ROOT / "manifests/flow_control.yaml").read_text()
KUSTOMIZATION = (ROOT / "manifests/kustomization.yaml").read_text()

# Of Kubernetes' own FlowSchemas: the last one of the control plane and nodes, and the one of all ServiceAccounts.
# Source: k8s.io/apiserver, pkg/apis/flowcontrol/bootstrap/default.go.
LAST_OF_THE_SYSTEM = 900
SERVICE_ACCOUNTS = 9000


def value_of(field: str, manifest: str = DAEMON_SET) -> str:
    """The value of the only field of that name; "" if there is none."""
    found = re.findall(rf"\b{field}: ([^\s,}}]+)", manifest)
    assert len(found) < 2, field
    return found[0] if found else ""


def test_the_routers_are_critical_to_their_node() -> None:
    assert value_of("priorityClassName") == "system-node-critical"


def test_the_routers_lists_have_a_level_of_their_own() -> None:
    account = re.search(r"serviceAccount: {name: (\S+), namespace: (\S+)}", FLOW_CONTROL)
    assert account and account.groups() == (value_of("serviceAccountName"), value_of("namespace"))
    assert "priorityLevelConfiguration: {name: nodeway}" in FLOW_CONTROL
    assert LAST_OF_THE_SYSTEM < int(value_of("matchingPrecedence", FLOW_CONTROL)) < SERVICE_ACCOUNTS
    assert "- flow_control.yaml" in KUSTOMIZATION


def test_no_roll_needs_a_second_pod_on_a_host_port() -> None:
    assert value_of("hostPort")
    assert value_of("maxSurge") == "0"
    assert value_of("maxUnavailable") == "1"
    assert value_of("hostNetwork") == ""


def test_apps_find_the_router_at_port_4140_of_their_nodes_address() -> None:
    assert value_of("hostPort") == "4140"
    readme = (ROOT / "README.md").read_text()
    assert "valueFrom: {fieldRef: {fieldPath: status.hostIP}}" in readme
    assert "$(HOST_IP):4140" in readme


def test_the_grace_period_exceeds_the_default_drain() -> None:
    drain = re.search(r"--drain-timeout DURATION` \| `(\d+)s`", (ROOT / "docs/cli.md").read_text())
    assert drain
    assert int(value_of("terminationGracePeriodSeconds")) > int(drain[1])


def main() -> int:
    tests = {name: test for name, test in globals().items() if name.startswith("test_")}
    for name in sys.argv[1:] or tests:
        tests[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main())
