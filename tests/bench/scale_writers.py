#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes objects to an API server: all of them at the start, then a steady stream of changed EndpointSlices.

As a program it does the second, in a process of its own, until SIGTERM: `scale_writers.py ACCESS RATE`, where ACCESS is
a file of JSON (`Access`) and RATE is in updates per second. It says on stdout when it begins, and in the end what it
did.
"""

from __future__ import annotations

import dataclasses
import http.client
import json
import random
import signal
import ssl
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import scale_objects as objects
from scale_objects import Object

THREADS = 16  # each waits for the answer to its write; at 20 ms each is 800 writes/s
TIMEOUT_S = 30


@dataclasses.dataclass(frozen=True)
class Access:
    """How to be the administrator."""

    host: str
    port: int
    authority: str
    certificate: str
    key: str


class WriteError(Exception):
    """The API server did not take an object."""


class Writer:
    """One connection to the API server, kept open. One thread."""

    def __init__(self, access: Access):
        context = ssl.create_default_context(cafile=access.authority)
        context.load_cert_chain(access.certificate, access.key)
        self._connection = http.client.HTTPSConnection(
            access.host, access.port, timeout=TIMEOUT_S, context=context)

    def create(self, path: str, body: Object) -> None:
        self._send("POST", path, body)

    def replace(self, path: str, body: Object) -> None:
        """Without a resourceVersion: whatever is there."""
        self._send("PUT", f"{path}/{body['metadata']['name']}", body)

    def get(self, path: str) -> bytes:
        return self._exchange("GET", path, b"")

    def _send(self, method: str, path: str, body: Object) -> None:
        self._exchange(method, path, json.dumps(body, separators=(",", ":")).encode())

    def _exchange(self, method: str, path: str, body: bytes) -> bytes:
        # The answer is the whole object again; of its metadata alone the server and this process have less work.
        headers = {"Content-Type": "application/json"}
        if body:
            headers["Accept"] = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
        self._connection.request(method, path, body or None, headers)
        reply = self._connection.getresponse()
        text = reply.read()
        if reply.status >= 300:
            raise WriteError(f"{method} {path}: {reply.status} {text[:300]!r}")
        return text


def make_all(access: Access, tell: Callable[[int], None]) -> None:
    """Namespaces, Services and slices. `tell` hears now and then how many Services there are."""
    first = Writer(access)
    spaces = {objects.namespace(i) for i in range(objects.NAMESPACES)} | {objects.PROBE_NAMESPACE}
    for space in sorted(spaces):
        first.create("/api/v1/namespaces", {"metadata": {"name": space}})
    first.create(objects.services_path(objects.PROBE_NAMESPACE),
                 objects.service_object(objects.PROBE_NAMESPACE, objects.PROBE_NAME))
    local, made = threading.local(), iter(range(1, objects.SERVICES + 1))

    def make(service: int) -> None:
        if not hasattr(local, "writer"):
            local.writer = Writer(access)
        space = objects.namespace(service)
        local.writer.create(objects.services_path(space), objects.service_object(space, objects.name(service)))
        local.writer.create(objects.slices_path(space), objects.large_slice(service, 0))
        if (count := next(made)) % 1000 == 0:
            tell(count)

    with ThreadPoolExecutor(THREADS) as pool:
        consume(pool.map(make, range(objects.SERVICES)))


def consume(results: Iterable[None]) -> None:
    """Raises what one of them raised."""
    for _ in results:
        pass


class Churn:
    """Changes of slices at a steady rate, each of one drawn at random. Those that come late are made up for."""

    def __init__(self, access: Access, rate: float):
        self._access = access
        self._rate = rate
        self._stop = threading.Event()
        self.updates = [0] * THREADS

    def run(self) -> float:
        """Until `stop`; how many seconds it took."""
        began_at = time.monotonic()
        with ThreadPoolExecutor(THREADS) as pool:
            consume(pool.map(lambda thread: self._run_thread(thread, began_at), range(THREADS)))
        return time.monotonic() - began_at

    def stop(self) -> None:
        self._stop.set()

    def _run_thread(self, thread: int, began_at: float) -> None:
        writer, rng = Writer(self._access), random.Random()
        generations: Counter[int] = Counter()
        while True:
            due_at = began_at + (self.updates[thread] + thread / THREADS) * THREADS / self._rate
            if self._stop.wait(max(0.0, due_at - time.monotonic())):
                return
            # Of slices that no other thread changes: what is written then always differs from what is there.
            service = rng.randrange(objects.SERVICES // THREADS) * THREADS + thread
            generations[service] += 1
            writer.replace(objects.slices_path(objects.namespace(service)),
                           objects.large_slice(service, generations[service]))
            self.updates[thread] += 1


def main() -> None:
    churn = Churn(Access(**json.loads(Path(sys.argv[1]).read_text())), float(sys.argv[2]))
    signal.signal(signal.SIGTERM, lambda *_: churn.stop())
    print(json.dumps({"event": "begun"}), flush=True)
    seconds = churn.run()
    print(json.dumps({"event": "done", "updates": sum(churn.updates), "seconds": seconds}), flush=True)


if __name__ == "__main__":
    main()
