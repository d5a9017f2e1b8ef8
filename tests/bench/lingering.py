# SPDX-License-Identifier: Apache-2.0
"""Hostile clients that do little and stay: as many connections, streams and bytes as they can get hold of.

Sections are those of RFC 9113, unless they are RFC 7541's.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import itertools
import socket
import struct
import termios
import time
from collections.abc import Callable
from dataclasses import dataclass

from frames import (
    DATA,
    END_HEADERS,
    END_STREAM,
    FIRST_WINDOW,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    MAX_WINDOW,
    PREFACE,
    SETTINGS,
    frame,
    literal,
    setting,
    window_update,
)
from h2load import AUTHORITY, METHOD

LARGE_BYTES = 1 << 30  # a reply that ends for nobody; the document of that size is the bench's
TURN_S = 0.1
REST_S = 0.5
TURNS = 10  # a slow stream or connection goes on in one of so many: once a second
CALLER_CONNECTIONS, CONNECTIONS, STREAMS = 500, 10_000, 1_000  # docs/errors.md: of an address, of all, of a connection
SPARE_CONNECTIONS = 100  # left to others
SLOW_FIELD_BYTES = 12_000
SO_ATTACH_FILTER = 26  # <asm/socket.h>


@dataclass(frozen=True)
class Lingering:
    """What each of so many connections sends at first, and what it sends in its n-th turn from then on."""

    connections: int
    opening: bytes = b""
    turn: Callable[[int], bytes] | None = None  # none: nothing
    reads: bool = False
    rests: bool = False  # begins when the kernel has no room left for what comes
    vanishes: bool = False  # hears nothing more once it has sent its opening, and acknowledges nothing
    further: int = 0  # connections that are tried in each turn


def head(method: str, path: str) -> bytes:
    fields = ((":method", method), (":scheme", "http"), (":authority", AUTHORITY), (":path", path))
    return b"".join(literal(name.encode(), value.encode()) for name, value in fields)


CALL = head("POST", f"/{METHOD}")
ASKING = head("GET", f"/filler-{LARGE_BYTES}")
HELLO = PREFACE + frame(SETTINGS, 0, 0)
OPEN_WIDE = (PREFACE + frame(SETTINGS, 0, 0, setting(INITIAL_WINDOW_SIZE, MAX_WINDOW))
             + window_update(0, MAX_WINDOW - FIRST_WINDOW))


def streams(count: int) -> range:
    return range(1, 2 * count, 2)


def asking(count: int) -> bytes:
    """For a large reply, so many times."""
    return b"".join(frame(HEADERS, END_HEADERS | END_STREAM, stream, ASKING) for stream in streams(count))


def calling(count: int, first: int = 1) -> bytes:
    """So many calls that do not end."""
    return b"".join(frame(HEADERS, END_HEADERS, stream, CALL) for stream in range(first, first + 2 * count, 2))


def slow_head() -> bytes:
    """All of it but for the value of its last field. RFC 7541, 5.1: a length from 127 on goes on in 7 bits a byte."""
    more = SLOW_FIELD_BYTES - 127
    block = CALL + b"\0\x01x\x7f" + bytes([more & 127 | 128, more >> 7])
    return frame(HEADERS, END_HEADERS, 1, block + bytes(SLOW_FIELD_BYTES))[:9 + len(block)]


def slow_bodies(n: int, count: int) -> bytes:
    """A byte for every stream whose turn it is."""
    return b"".join(frame(DATA, 0, stream, b"x") for stream in streams(count)[n % TURNS::TURNS])


def further_calls(n: int, at_once: int) -> bytes:
    """Beyond as many as there may be."""
    return calling(at_once, 2 * (STREAMS + n * at_once) + 1)


LINGERING: dict[str, Lingering] = {
    "zero windows": Lingering(
        4, PREFACE + frame(SETTINGS, 0, 0, setting(INITIAL_WINDOW_SIZE, 0)) + asking(500), reads=True),
    "never reads, at first": Lingering(CALLER_CONNECTIONS, OPEN_WIDE + asking(1)),
    "never reads, at rest": Lingering(CALLER_CONNECTIONS, OPEN_WIDE + asking(1), rests=True),
    "half-open": Lingering(CALLER_CONNECTIONS, HELLO + asking(1), vanishes=True),
    "half a preface": Lingering(CALLER_CONNECTIONS, PREFACE[:12]),
    "slow heads": Lingering(CALLER_CONNECTIONS, HELLO + slow_head(), lambda n: b"" if n % TURNS else b"b", reads=True),
    "slow heads, HTTP/1.1": Lingering(
        CALLER_CONNECTIONS, f"GET / HTTP/1.1\r\nhost: {AUTHORITY}\r\nx: ".encode(), lambda n: b"" if n % TURNS else b"b",
        reads=True),
    "slow bodies": Lingering(2, HELLO + calling(500), lambda n: slow_bodies(n, 500), reads=True),
    "streams at their limit": Lingering(9, HELLO + calling(STREAMS), lambda n: further_calls(n, 10), reads=True),
    "a caller's connections": Lingering(CALLER_CONNECTIONS, HELLO, further=100),
    "all connections but 100": Lingering(CONNECTIONS - SPARE_CONNECTIONS, HELLO),
}


def linger(attack: Lingering, port: int, tell: Callable[[], None]) -> None:
    """For ever. Tells when all is in place; what is cut off then comes back."""
    peers = [opened(attack, port, n) for n in range(attack.connections)]
    if attack.rests:
        await_rest(peers)
    tell()
    for turn in itertools.count():
        time.sleep(TURN_S)
        for n, peer in enumerate(peers if attack.reads or attack.turn else []):
            try:
                take_turn(attack, peer, turn + n)  # not all of them in the same one
            except BlockingIOError:
                pass  # it is not read; then it stays where it is
            except ConnectionError:
                peer.close()
                with contextlib.suppress(ConnectionError):  # again in its next turn
                    peers[n] = opened(attack, port, n)
        for _ in range(attack.further):
            with contextlib.suppress(ConnectionError):
                opened(attack, port, 0).close()


def take_turn(attack: Lingering, peer: socket.socket, turn: int) -> None:
    if attack.reads:
        with contextlib.suppress(BlockingIOError):
            if not peer.recv(1 << 16):
                raise ConnectionResetError
    text = attack.turn(turn) if attack.turn else b""
    if text:
        peer.sendall(text)


def await_rest(peers: list[socket.socket]) -> None:
    """Until nothing more has come for all of them together within `REST_S`."""
    before, unread = -1, 0
    while unread != before:
        time.sleep(REST_S)
        before, unread = unread, sum(unread_bytes(peer) for peer in peers)


def unread_bytes(peer: socket.socket) -> int:
    return struct.unpack("i", fcntl.ioctl(peer, termios.FIONREAD, bytes(4)))[0]


def opened(attack: Lingering, port: int, n: int) -> socket.socket:
    """The n-th connection, once what it begins with has been sent. As many as a caller may have come from one address."""
    source = f"127.0.0.{2 + n // CALLER_CONNECTIONS}"
    peer = socket.create_connection(("127.0.0.1", port), source_address=(source, 0))
    peer.sendall(attack.opening)
    if attack.vanishes:
        drop_what_comes(peer)
    peer.setblocking(False)
    return peer


def drop_what_comes(peer: socket.socket) -> None:
    """By a filter of the kernel, socket(7): one instruction, which keeps 0 bytes of every segment."""
    instruction = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))  # BPF_RET | BPF_K
    peer.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", 1, ctypes.addressof(instruction)))
