# SPDX-License-Identifier: Apache-2.0
"""Changes of the ConfigMap one after the other, a quarter of them wrong, under a thousand calls per second."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from calculator import Load, assert_none_failed, deploy
from router import NAMESPACE, Routers
from testbed.api import Object
from testbed.bed import TestBed
from testbed.wait import wait_until

_CHANGES = 200  # of which every fourth is wrong
_CONFIG_MAP = f"/api/v1/namespaces/{NAMESPACE}/configmaps/nodeway"
_PER_SECOND = 1000
_IN_FORCE_WITHIN_S = 10

# Asks for a Service that does not exist, until the error names the namespace that it was looked for in.
_PROBE = """
import http.client, sys, time
deadline = time.monotonic() + float(sys.argv[2])
while True:
    connection = http.client.HTTPConnection("127.0.0.1", 4140, timeout=5)
    connection.request("GET", "/", headers={"Host": "nobody"})
    answer = connection.getresponse().read().decode()
    connection.close()
    if f"nobody in namespace {sys.argv[1]}" in answer.replace('"', ""):
        break
    if time.monotonic() > deadline:
        sys.exit(f"not in force: {answer}")
"""

# Settings of the Service that is called, none of which may cost a call.
_SETTINGS = (
    "{}",
    "{balancer: {policy: round_robin}}",
    "{balancer: {decay: 1s}, timeout: {connect: 2s}}",
    "{timeout: {request: 30s}, upstreamProtocol: h2c}",
    "{limits: {queue: {size: 500, timeout: 5s}}}",
    "{timeout: {request: 0}}",
)


@dataclass(frozen=True)
class Mistake:
    """A ConfigMap's `data` that is wrong, and what must be said of it."""

    data: Object
    told: str


def _document(number: int, namespace: str) -> str:
    setting = _SETTINGS[number % len(_SETTINGS)]
    return f"version: 1\ndefaultNamespace: turn-{number}\nservices:\n  add.{namespace}: {setting}\n"


_WRONG = (
    ("version: 1\nservces: {}\n", "2:1: servces: unknown field"),
    ("version: 2\n", "1:10: version: this version is not known"),
    ("defaults: {}\n", "1:1: version: is missing"),
    ("version: 1\ndefaults: {timeout: {connect: soon}}\n", "2:31: defaults.timeout.connect:"),
    ("version: 1\ndefaults: {limits: {queue: {size: 0}}}\n", "2:35: defaults.limits.queue.size:"),
    ("version: 1\ndefaults: {balancer: {decay: 2h}}\n", "2:30: defaults.balancer.decay: 2h is out of range"),
    ("version: 1\nversion: 1\n", '2:1: version: "version" is there twice'),
    ("version: 1\n---\nversion: 1\n", "a second document begins here"),
    ("version: 1\ndefaults: {timeout: {\n", "4:1: end of map flow not found"),
    ("version: 1\nservices: {cart: {}}\n", "lacks the namespace"),
    ("- version: 1\n", "1:1: a map of fields is expected here"),
    ("", "1:1: version: is missing"),
)


def _mistakes() -> Iterator[Mistake]:
    """For ever, all kinds in turn; no two in a row have the same text."""
    for turn in itertools.count():
        for text, told in _WRONG:
            yield Mistake({"nodeway.yaml": f"{text}# {turn}\n"}, told)
        yield Mistake({"nodeway.yaml": None, "nodeway.yml": "version: 1\n"}, "it has no key nodeway.yaml")


class Subject:
    """The router that the load goes through, and the ConfigMap."""

    def __init__(self, bed: TestBed, routers: Routers, node: str) -> None:
        self._bed = bed
        self._routers = routers
        self._pod = routers.on(node)

    def value(self, name: str, **labels: str) -> float:
        """One of its metrics."""
        return self._routers.value(self._pod, name, **labels)

    def put(self, data: Object) -> None:
        """Replaces what the ConfigMap holds."""
        self._bed.api.patch(_CONFIG_MAP, {"data": {"nodeway.yml": None} | data})

    def wait_until_in_force(self, number: int) -> None:
        """Until a request is answered by the configuration of that number."""
        probe = ("/usr/bin/python3", "-c", _PROBE, f"turn-{number}", str(_IN_FORCE_WITHIN_S))
        done = self._bed.execute(self._pod, *probe, timeout_s=_IN_FORCE_WITHIN_S + 10)
        assert done.returncode == 0, done.stderr

    def wait_until_refused(self, told: str, before: float) -> None:
        """Until one more is refused, and all places say why."""
        wait_until(
            lambda: self.value("nodeway_config_rejected_total") == before + 1,
            _IN_FORCE_WITHIN_S,
            f"the refusal of: {told}",
            0.02,
        )
        assert self.value("nodeway_config_valid") == 0
        ready = self._routers.fetch(self._pod, "/ready")  # raises unless it is 200
        assert ready.startswith("ready\n") and told in ready
        wait_until(lambda: told in self._last_refusal(), _IN_FORCE_WITHIN_S, f"the log to say: {told}", 0.02)

    def _last_refusal(self) -> str:
        lines = [line for line in self._bed.log_of(self._pod).splitlines() if "is wrong; the last good" in line]
        return lines[-1].replace('\\"', '"') if lines else ""


def test_no_call_fails_by_a_change_of_the_configuration_be_it_right_or_wrong(
    bed: TestBed, routers: Routers, namespace: str, configuration: str
) -> None:
    deploy(bed, namespace, replicas=2)
    load = Load(bed, namespace, "--every", f"{1000 // _PER_SECOND}ms", "--concurrency", "500", node="node-1")
    load.wait_for_calls(_PER_SECOND)
    router = Subject(bed, routers, "node-1")
    applied, rejected = router.value("nodeway_config_applied_total"), router.value("nodeway_config_rejected_total")
    mistakes = _mistakes()
    refused = 0

    for number in range(_CHANGES):
        if number % 4 == 3:
            mistake = next(mistakes)
            router.put(mistake.data)
            router.wait_until_refused(mistake.told, rejected + refused)
            refused += 1
            router.wait_until_in_force(number - 1)  # the last good one
        else:
            router.put({"nodeway.yaml": _document(number, namespace)})
            router.wait_until_in_force(number)
    summary = load.stop()

    assert_none_failed(summary)
    assert summary["calls"] > 0.8 * _PER_SECOND * summary["elapsed_s"]  # there was a load for it to matter
    assert refused == _CHANGES // 4
    assert router.value("nodeway_config_rejected_total") == rejected + refused
    assert router.value("nodeway_config_applied_total") == applied + _CHANGES - refused
