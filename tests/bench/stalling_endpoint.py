#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An HTTP/2 endpoint that reads some requests and others not, by the first byte of their bodies. Prints its port."""

from __future__ import annotations

import contextlib
import json
import socket
import time

from frames import (
    DATA,
    END_HEADERS,
    END_STREAM,
    FIRST_WINDOW,
    HEADERS,
    MAX_WINDOW,
    STATUS_200,
    ServerWire,
    frame,
    window_update,
)

STALLING = "stalling_endpoint.py"  # this file
READ = b"r"  # as fast as it comes; answered when it has ended
STALL = b"s"  # no window is ever given for its stream
DEAF = b"d"  # from then on nothing is read from the connection


class Endpoint(ServerWire):
    """One connection of the router."""

    def __init__(self, peer: socket.socket):
        super().__init__(peer)
        self._begun: set[int] = set()

    def on_frame(self, kind: int, flags: int, stream: int, payload: memoryview) -> None:
        super().on_frame(kind, flags, stream, payload)
        if kind == DATA and payload and stream not in self._begun:
            self._begun.add(stream)
            self._begin(stream, bytes(payload[:1]))
        if kind in (DATA, HEADERS) and flags & END_STREAM:
            self.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, STATUS_200))

    def _begin(self, stream: int, wish: bytes) -> None:
        if wish != STALL:
            self.send(window_update(stream, MAX_WINDOW - FIRST_WINDOW))
        while wish == DEAF:
            time.sleep(60)


def main() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(json.dumps({"event": "listening", "port": listener.getsockname()[1]}), flush=True)
        while True:
            peer, _ = listener.accept()
            with peer, contextlib.suppress(ConnectionError):
                endpoint = Endpoint(peer)
                while True:
                    endpoint.read()


if __name__ == "__main__":
    main()
