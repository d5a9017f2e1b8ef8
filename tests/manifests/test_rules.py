#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the DaemonSet must say for the rules of docs/kubernetes.md, told from its text, without a cluster.

usage: test_rules.py [TEST...]
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DAEMON_SET = (ROOT / "manifests/daemon_set.yaml").read_text()


def value_of(field: str) -> str:
    """The value of the only field of that name; "" if there is none."""
    found = re.findall(rf"\b{field}: ([^\s,}}]+)", DAEMON_SET)
    assert len(found) < 2, field
    return found[0] if found else ""


def test_the_routers_are_critical_to_their_node() -> None:
    assert value_of("priorityClassName") == "system-node-critical"


def test_no_roll_needs_a_second_pod_on_a_host_port() -> None:
    assert value_of("hostPort") == "4140"
    assert value_of("maxSurge") == "0"
    assert value_of("maxUnavailable") == "1"
    assert value_of("hostNetwork") == ""


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
