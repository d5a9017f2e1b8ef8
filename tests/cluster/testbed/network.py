# SPDX-License-Identifier: Apache-2.0
"""Nodes and pods as network namespaces.

Each node is a namespace on one underlay bridge. A pod is a namespace with a point-to-point link to its node, routed
and not bridged (as the CNI plugin `ptp` and Calico do it): all its packets, also those to a pod of the same node, pass
the node's own IP stack. So `hostPort` is plain destination NAT there, replies find their way back through conntrack,
and no address is ever masqueraded: the listener sees the address of the calling pod.

    underlay 172.30.0.1/24 ──┬── node 1 172.30.0.11 ── pods 10.244.1.2, .3 …
     (API server, tests)     └── node 2 172.30.0.12 ── pods 10.244.2.2, .3 …
"""

from __future__ import annotations

import contextlib
import subprocess
import threading
from collections.abc import Iterator, Sequence, Set

UNDERLAY = "172.30.0"
CONTROL_ADDRESS = f"{UNDERLAY}.1"
_BRIDGE = "underlay"
_FIRST_HOST = 2  # .1 is the node's end of every link
_LAST_HOST = 254


def run(*command: str, stdin: str | None = None) -> str:
    """Runs a tool to its end; its error output becomes the message of the exception."""
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def ip_batch(lines: Sequence[str], namespace: str | None = None) -> None:
    """Several `ip` commands in one process: three times faster than one each."""
    inside = ("-n", namespace) if namespace else ()
    run("ip", *inside, "-batch", "-", stdin="\n".join(lines) + "\n")


def make_underlay() -> None:
    """The bridge that joins the nodes, with the control plane's address; once per sandbox."""
    ip_batch(
        [
            "link set lo up",
            f"link add {_BRIDGE} type bridge",
            f"addr add {CONTROL_ADDRESS}/24 dev {_BRIDGE}",
            f"link set {_BRIDGE} up",
        ]
    )


class NodeNetwork:
    """One node's namespace, the links of its pods, and its host ports. Any thread."""

    def __init__(self, number: int) -> None:
        self.namespace = f"node-{number}"
        self.address = f"{UNDERLAY}.{10 + number}"
        self.pod_cidr = f"10.244.{number}.0/24"
        self._prefix = f"10.244.{number}"
        self._lock = threading.Lock()
        self._next_host = _FIRST_HOST
        self._in_use: set[str] = set()
        self._host_ports: dict[tuple[str, int], str] = {}
        self._create(number)

    def _create(self, number: int) -> None:
        run("ip", "netns", "add", self.namespace)
        link = f"to-node{number}"
        ip_batch(
            [
                f"link add {link} type veth peer name eth0 netns {self.namespace}",
                f"link set {link} master {_BRIDGE} up",
            ]
        )
        ip_batch(
            [
                "link set lo up",
                f"addr add {self.address}/24 dev eth0",
                "link set eth0 up",
                # What no pod here owns is refused at once instead of wandering between the nodes.
                f"route add unreachable {self.pod_cidr} metric 4096",
            ],
            self.namespace,
        )
        run("ip", "route", "add", self.pod_cidr, "via", self.address)
        self.execute("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
        self._write_host_ports()

    def execute(self, *command: str) -> str:
        """Runs a tool in the node's namespace."""
        return run("ip", "netns", "exec", self.namespace, *command)

    def add_route_to(self, other: NodeNetwork) -> None:
        """Pods of `other` are reached through that node."""
        ip_batch([f"route add {other.pod_cidr} via {other.address}"], self.namespace)

    def _take_address(self) -> str:
        for _ in range(_FIRST_HOST, _LAST_HOST + 1):
            candidate = f"{self._prefix}.{self._next_host}"
            # Round and round, so that an address is not given again at once: as real nodes do it.
            self._next_host = _FIRST_HOST if self._next_host == _LAST_HOST else self._next_host + 1
            if candidate not in self._in_use:
                self._in_use.add(candidate)
                return candidate
        raise RuntimeError(f"{self.namespace}: no pod address left")

    def attach_pod(self, namespace: str) -> str:
        """Makes the pod's namespace and link; returns its address."""
        with self._lock:
            address = self._take_address()
        gateway = f"{self._prefix}.1"
        link = f"pod{address.rsplit('.', 1)[1]}"
        run("ip", "netns", "add", namespace)
        ip_batch(
            [
                f"link add {link} type veth peer name eth0 netns {namespace}",
                f"addr add {gateway}/32 dev {link}",
                f"link set {link} up",
                f"route add {address}/32 dev {link}",
            ],
            self.namespace,
        )
        ip_batch(
            [
                "link set lo up",
                f"addr add {address}/32 dev eth0",
                "link set eth0 up",
                f"route add {gateway} dev eth0 scope link src {address}",
                f"route add default via {gateway} src {address}",
            ],
            namespace,
        )
        return address

    def detach_pod(self, namespace: str, address: str) -> None:
        """Takes back what `attach_pod` made. Its link goes with the namespace."""
        run("ip", "netns", "delete", namespace)
        with self._lock:
            self._in_use.discard(address)

    def add_host_port(self, protocol: str, host_port: int, target: str) -> None:
        """Connections to `host_port` of the node's address go to `target` (ADDRESS:PORT)."""
        with self._lock:
            owner = self._host_ports.setdefault((protocol.lower(), host_port), target)
            if owner != target:
                raise RuntimeError(f"{self.namespace}: hostPort {host_port} is taken by {owner}")
            self._write_host_ports()

    def remove_host_port(self, protocol: str, host_port: int) -> None:
        """Open connections keep their way; new ones are refused."""
        with self._lock:
            self._host_ports.pop((protocol.lower(), host_port), None)
            self._write_host_ports()

    @contextlib.contextmanager
    def swallows(self, address: str, ports: Set[int]) -> Iterator[None]:
        """Inside the block what these TCP ports of a pod send or get goes nowhere, and nobody is told."""
        numbers = ", ".join(str(port) for port in sorted(ports))
        rules = f"""table ip swallowed {{
  chain forward {{ type filter hook forward priority 0;
    ip saddr {address} tcp sport {{ {numbers} }} drop
    ip daddr {address} tcp dport {{ {numbers} }} drop
  }}
}}
"""
        run("ip", "netns", "exec", self.namespace, "nft", "-f", "-", stdin=rules)
        try:
            yield
        finally:
            self.execute("nft", "delete", "table", "ip", "swallowed")

    def _write_host_ports(self) -> None:
        rules = [
            f"    ip daddr {self.address} {protocol} dport {port} dnat to {target}"
            for (protocol, port), target in self._host_ports.items()
        ]
        lines = ["table ip hostports", "delete table ip hostports", "table ip hostports {"]
        # prerouting: callers in pods and on other machines; output: callers in the node itself.
        for hook in ("prerouting", "output"):
            lines.append(f"  chain {hook} {{ type nat hook {hook} priority -100;")
            lines += [*rules, "  }"]
        lines.append("}")
        run("ip", "netns", "exec", self.namespace, "nft", "-f", "-", stdin="\n".join(lines) + "\n")


def make_nodes(count: int) -> list[NodeNetwork]:
    """`count` nodes that know the way to each other's pods."""
    nodes = [NodeNetwork(number) for number in range(1, count + 1)]
    for node in nodes:
        for other in nodes:
            if node is not other:
                node.add_route_to(other)
    return nodes
