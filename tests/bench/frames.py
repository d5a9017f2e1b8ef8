# SPDX-License-Identifier: Apache-2.0
"""Just enough HTTP/2 to let one stream stall beside another, which h2load and nghttpd cannot.

Headers go out as literals and come in unread, so there is no HPACK here. Sections are those of RFC 9113.
"""

from __future__ import annotations

import select
import socket
import struct
from collections import defaultdict
from dataclasses import dataclass

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"  # 3.4
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8  # 6
ACK = END_STREAM = 0x1
END_HEADERS = 0x4
MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE = 3, 4  # 6.5.2
MAX_WINDOW = 2**31 - 1
FIRST_WINDOW = 65535  # 6.9.2
FRAME_BYTES = 16384  # 4.2: what every peer takes
STATUS_200 = b"\x88"  # RFC 7541, appendix A: ":status: 200" is entry 8
FILLER = bytes(FRAME_BYTES)
READ_BYTES = 1 << 18
REPLENISH_BYTES = 1 << 22  # often enough for a window of 2 GiB
PATIENCE_S = 30.0  # with a peer that should go on, on a loaded machine


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """4.1."""
    return struct.pack(">IBI", len(payload) << 8 | kind, flags, stream) + payload


def literal(name: bytes, value: bytes) -> bytes:
    """RFC 7541, 6.2.2: a field that enters no table."""
    assert len(name) < 127 and len(value) < 127  # longer ones would need more than a byte of length
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


def setting(name: int, value: int) -> bytes:
    return struct.pack(">HI", name, value)


def window_update(stream: int, more: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", more))


@dataclass
class Stream:
    """What has come of a stream so far."""

    window: int  # for what we send
    first_header_byte: bytes = b""
    received: int = 0  # bytes of body
    has_ended: bool = False  # by the peer
    was_reset: bool = False


class Wire:
    """Frames over a connected socket. Acknowledges what must be, keeps the window of the connection open to the peer,
    so that only streams ever hold it back, and minds the peer's windows."""

    def __init__(self, peer: socket.socket, opening: bytes):
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = peer
        self._first_window = FIRST_WINDOW  # of a stream, by the peer's settings
        self._window = FIRST_WINDOW  # of the connection, for what we send
        self.streams: dict[int, Stream] = defaultdict(lambda: Stream(self._first_window))
        self._rest = b""  # of a frame that has not come whole
        self._to_replenish = 0
        self.send(opening + window_update(0, MAX_WINDOW - FIRST_WINDOW))

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def close(self) -> None:
        self.socket.close()

    def read(self) -> None:
        """Waits for something to come, and takes it in."""
        came = self.socket.recv(READ_BYTES)
        if not came:
            raise ConnectionError("the peer has closed the connection")
        data = self._rest + came
        view, at = memoryview(data), 0
        while len(data) - at >= 9:
            head, flags, stream = struct.unpack_from(">IBI", data, at)
            end = at + 9 + (head >> 8)
            if end > len(data):
                break
            self.on_frame(head & 0xFF, flags, stream, view[at + 9:end])
            at = end
        self._rest = data[at:]

    def on_frame(self, kind: int, flags: int, stream: int, payload: memoryview) -> None:
        if stream == 0:
            self._on_connection_frame(kind, flags, bytes(payload))
        else:
            self._on_stream_frame(kind, flags, stream, payload)

    def _on_connection_frame(self, kind: int, flags: int, payload: bytes) -> None:
        if kind == SETTINGS and not flags & ACK:
            self._apply_settings(payload)
            self.send(frame(SETTINGS, ACK, 0))
        elif kind == PING and not flags & ACK:
            self.send(frame(PING, ACK, 0, payload))
        elif kind == WINDOW_UPDATE:
            self._window += struct.unpack(">I", payload)[0]
        elif kind == GOAWAY:
            raise ConnectionError(f"the peer sent GOAWAY with error {struct.unpack_from('>I', payload, 4)[0]}")

    def _on_stream_frame(self, kind: int, flags: int, number: int, payload: memoryview) -> None:
        stream = self.streams[number]
        if kind == DATA:
            stream.received += len(payload)
            self._replenish(len(payload))
        elif kind == HEADERS and not stream.first_header_byte:
            stream.first_header_byte = bytes(payload[:1])
        elif kind == WINDOW_UPDATE:
            stream.window += struct.unpack(">I", payload)[0]
        elif kind == RST_STREAM:
            stream.was_reset = True
        if kind in (DATA, HEADERS) and flags & END_STREAM:
            stream.has_ended = True

    def _replenish(self, size: int) -> None:
        self._to_replenish += size
        if self._to_replenish >= REPLENISH_BYTES:
            self.send(window_update(0, self._to_replenish))
            self._to_replenish = 0

    def _apply_settings(self, payload: bytes) -> None:
        for at in range(0, len(payload), 6):
            name, value = struct.unpack_from(">HI", payload, at)
            if name == INITIAL_WINDOW_SIZE:
                for stream in self.streams.values():  # 6.9.2: of open streams too
                    stream.window += value - self._first_window
                self._first_window = value

    def send_filler(self, number: int, size: int) -> int:
        """Sends one frame of data, as much of `size` as may go now; how much that was, 0 if nothing may go."""
        stream = self.streams[number]
        sent = max(0, min(size, FRAME_BYTES, stream.window, self._window))
        if sent:
            stream.window -= sent
            self._window -= sent
            self.send(frame(DATA, 0, number, FILLER[:sent]))
        return sent


class ServerWire(Wire):
    """The end of a connection that was accepted."""

    def __init__(self, peer: socket.socket, settings: bytes = b""):
        # The client's preface comes before its first frame.
        if peer.recv(len(PREFACE), socket.MSG_WAITALL) != PREFACE:
            raise ConnectionError("no HTTP/2")
        super().__init__(peer, frame(SETTINGS, 0, 0, settings))


class Client(Wire):
    """A caller with one connection."""

    def __init__(self, port: int, settings: bytes = b"", source: str = "127.0.0.1"):
        peer = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S, source_address=(source, 0))
        super().__init__(peer, PREFACE + frame(SETTINGS, 0, 0, settings))
        self._next_stream = 1

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def get(self, authority: str, path: str) -> int:
        """Sends a request without a body; its stream."""
        return self._open(authority, path, "GET", END_STREAM)

    def post(self, authority: str, path: str, first: bytes) -> int:
        """Sends a request, with the first bytes of its body; its stream."""
        stream = self._open(authority, path, "POST", 0)
        self.streams[stream].window -= len(first)
        self._window -= len(first)
        self.send(frame(DATA, 0, stream, first))
        return stream

    def _open(self, authority: str, path: str, method: str, flags: int) -> int:
        stream, self._next_stream = self._next_stream, self._next_stream + 2
        fields = ((":method", method), (":scheme", "http"), (":authority", authority), (":path", path))
        block = b"".join(literal(name.encode(), value.encode()) for name, value in fields)
        self.send(frame(HEADERS, END_HEADERS | flags, stream, block))
        return stream

    def offer(self, stream: int, size: int, rest_s: float) -> int:
        """Sends a body until it has gone, or until nothing more of it may go for `rest_s`; how much has gone."""
        gone = 0
        while gone < size:
            sent = self.send_filler(stream, size - gone)
            gone += sent
            if not sent:
                if not select.select([self.socket], [], [], rest_s)[0]:
                    break
                self.read()
        return gone

    def end(self, stream: int) -> None:
        self.send(frame(DATA, END_STREAM, stream))

    def await_reply(self, number: int) -> int:
        """Reads until the reply has ended; how many bytes its body had. Anything but a 200 is an error."""
        stream = self.streams[number]
        while not stream.has_ended and not stream.was_reset:
            self.read()
        if stream.was_reset or stream.first_header_byte != STATUS_200:
            raise ConnectionError(f"no reply 200, but {stream}")
        return stream.received
