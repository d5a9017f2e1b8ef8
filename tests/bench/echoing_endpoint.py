#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An HTTP/2 endpoint that answers each stream at once, and sends back what comes on it. Prints its port."""

from __future__ import annotations

import json
import selectors
import socket

from frames import (
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    MAX_CONCURRENT_STREAMS,
    STATUS_200,
    ServerWire,
    frame,
    setting,
)


class Endpoint(ServerWire):
    """One connection of the proxy."""

    def __init__(self, peer: socket.socket):
        super().__init__(peer, setting(MAX_CONCURRENT_STREAMS, 1000))

    def on_frame(self, kind: int, flags: int, stream: int, payload: memoryview) -> None:
        super().on_frame(kind, flags, stream, payload)
        end = flags & END_STREAM if kind in (DATA, HEADERS) else 0
        if kind == HEADERS:
            self.send(frame(HEADERS, END_HEADERS | end, stream, STATUS_200))
        elif kind == DATA:
            self.send(frame(DATA, end, stream, bytes(payload)))


def main() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener, selectors.DefaultSelector() as ready:
        print(json.dumps({"event": "listening", "port": listener.getsockname()[1]}), flush=True)
        ready.register(listener, selectors.EVENT_READ)
        while True:
            for key, _ in ready.select():
                if key.data is None:
                    peer, _ = listener.accept()
                    accept(ready, peer)
                else:
                    serve(ready, key.data)


def accept(ready: selectors.BaseSelector, peer: socket.socket) -> None:
    try:
        ready.register(peer, selectors.EVENT_READ, Endpoint(peer))
    except ConnectionError:  # somebody looked whether the port is open
        peer.close()


def serve(ready: selectors.BaseSelector, endpoint: Endpoint) -> None:
    try:
        endpoint.read()
    except ConnectionError:
        ready.unregister(endpoint.socket)
        endpoint.close()


if __name__ == "__main__":
    main()
