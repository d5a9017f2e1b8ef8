# SPDX-License-Identifier: Apache-2.0
"""Pods that have good and bad days (bench_pod), and calls to them at a fixed rate (bench_load)."""

from __future__ import annotations

import json
import math
import os
import signal
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from bed import HOST, Bed, Failed, Process

OK = 0  # gRPC's status
ANSWER_S = 1.0


class Pod:
    """A server at one address for good, that can be told how to work, stopped, and started again."""

    def __init__(self, bed: Bed, name: str):
        self._bed = bed
        self.name = name
        self.port = bed.free_port()
        self._process: Process | None = None
        self._ended: dict[str, int] = {}  # what the processes before have done

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"

    def start(self, **day: int) -> None:
        self._process = self._bed.start(
            self.name, [self._bed.binary("tests/bench/bench_pod"), "--listen", self.address, "--pod", self.name,
                        "--linger-ms", "500"])
        self._process.await_line("listening")
        self.set(**day)

    def set(self, **day: int) -> dict[str, int]:
        """`service_us`, `workers`, `failures_permille`, or nothing; returns what it has done so far."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
            asker.settimeout(ANSWER_S)
            asker.connect((HOST, self.port))
            asker.send(json.dumps(day).encode())
            try:
                return json.loads(asker.recv(1024))
            except OSError as error:
                raise Failed(f"{self.name} does not answer: {error}") from None

    def work(self) -> dict[str, int]:
        now = self.set()
        return {key: now[key] + self._ended.get(key, 0) for key in now}

    def freeze(self) -> None:
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self._process.pid, signal.SIGCONT)

    def restart(self) -> None:
        """As in a rolling update: it ends gracefully, and another process takes its address."""
        self._ended = self.work()
        self._process.stop()
        self.start()

    def stop(self) -> None:
        self._process.stop()


@dataclass(frozen=True)
class Call:
    """One call and what became of it."""

    due_s: float  # since the load began
    took_ms: float
    status: int
    pod: str  # empty if nothing came from a pod


@dataclass(frozen=True)
class Outcome:
    """What callers saw of one day of one subject."""

    calls: Sequence[Call]
    bad_pod: str  # its name
    lost_work: float  # calls that pods worked on and nobody got, of all calls

    def succeeded(self) -> Sequence[Call]:
        return [call for call in self.calls if call.status == OK]

    def success(self) -> float:
        return len(self.succeeded()) / len(self.calls)

    def latency_ms(self, percent: float) -> float:
        """Of all calls. One that failed is slower than any that did not: to fail at once is not to be fast."""
        ordered = sorted(call.took_ms if call.status == OK else math.inf for call in self.calls)
        return ordered[math.ceil(len(ordered) * percent / 100) - 1]

    def bad_share(self) -> float:
        """Of the calls that a pod has answered, well or not."""
        answered = [call for call in self.calls if call.pod]
        return sum(call.pod == self.bad_pod for call in answered) / len(answered) if answered else math.nan


def start_load(bed: Bed, port: int, authority: str, *, rps: int, seconds: int, deadline_ms: int) -> Process:
    return bed.start("bench_load", [
        bed.binary("tests/bench/bench_load"), "--target", f"{HOST}:{port}", "--authority", authority, "--rps", str(rps),
        "--seconds", str(seconds), "--deadline-ms", str(deadline_ms)])


def calls_of(load: Process, timeout_s: float) -> Sequence[Call]:
    """Waits for the end of the load."""
    if load.wait(timeout_s) != 0:
        raise Failed(f"bench_load failed: {load.last_words()}")
    return [parse(line) for line in load.output.read_text().splitlines()]


def parse(line: str) -> Call:
    due_us, took_us, status, pod = line.split(" ")
    return Call(int(due_us) / 1e6, int(took_us) / 1e3, int(status), pod)
