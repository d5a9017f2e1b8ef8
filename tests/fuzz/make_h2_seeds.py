#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the seeds of the HTTP/2 fuzzers: scripts as tests/fuzz/h2_rig.hpp tells them. usage: make_h2_seeds.py"""

from pathlib import Path

DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
EXCHANGE, READ, SHUTDOWN, FINISH, RESUME, CONSUME, RESET_FIRST, RESET_LAST, OPEN = (bytes([0xF0 + i]) for i in range(9))
END_STREAM, ACK, END_HEADERS = 1, 1, 4
RAW, NO_GREETING = 1, 2


def frame(type_: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    return bytes([type_, flags, stream, len(payload)]) + payload


def full_data(stream: int, flags: int = 0) -> bytes:
    """16 KiB, which the rig fills in."""
    return bytes([DATA, flags, stream, 0xFF])


def wire(type_: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    """A frame as it is on the wire, for raw scripts."""
    return len(payload).to_bytes(3, "big") + bytes([type_, flags]) + stream.to_bytes(4, "big") + payload


def literal(name: str, value: str) -> bytes:
    """HPACK: literal without indexing, new name. RFC 7541 section 6.2.2."""
    return b"".join([b"\0", bytes([len(name)]), name.encode(), bytes([len(value)]), value.encode()])


# Indexed fields of the static table: POST, http, /; then a literal authority. RFC 7541 appendix A.
REQUEST = b"\x83\x86\x84\x41\x04cart" + literal("content-type", "application/grpc") + literal("te", "trailers")
REPLY = b"\x88" + literal("content-type", "application/grpc")
HINTS = literal(":status", "103") + literal("link", "</a>")
TRAILERS = literal("grpc-status", "0")
NO_STATUS = literal("x", "y")
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

SERVER = {
    "unary": frame(HEADERS, END_HEADERS, 1, REQUEST) + frame(DATA, END_STREAM, 1, b"\0\0\0\0\2hi"),
    "trailers": frame(HEADERS, END_HEADERS, 1, REQUEST) + frame(DATA, 0, 1, b"body")
    + frame(HEADERS, END_HEADERS | END_STREAM, 1, TRAILERS),
    "continuation": frame(HEADERS, 0, 1, REQUEST[:9]) + frame(CONTINUATION, END_HEADERS, 1, REQUEST[9:])
    + frame(DATA, END_STREAM, 1, b"x"),
    "resets": b"".join(frame(HEADERS, END_HEADERS, i, REQUEST) + frame(RST, 0, i, b"\0\0\0\x08") for i in range(1, 21, 2)),
    "many_streams": b"".join(frame(HEADERS, END_HEADERS | END_STREAM, i, REQUEST) for i in range(1, 25, 2)),
    "window": frame(HEADERS, END_HEADERS, 1, REQUEST) + full_data(1) * 3 + RESUME + full_data(1) * 2 + CONSUME
    + full_data(1, END_STREAM),
    "beyond_window": frame(HEADERS, END_HEADERS, 1, REQUEST) + full_data(1) * 4 + frame(DATA, 0, 1, b"x"),
    "no_window": frame(SETTINGS, 0, 0, b"\0\4\0\0\0\0") + frame(HEADERS, END_HEADERS, 1, REQUEST)
    + frame(DATA, END_STREAM, 1, b"body") + EXCHANGE + frame(WINDOW, 0, 1, b"\0\0\0\2") + EXCHANGE
    + frame(WINDOW, 0, 1, b"\0\0\1\0"),
    "shutdown": frame(HEADERS, END_HEADERS, 1, REQUEST) + SHUTDOWN + frame(PING, ACK, 0, bytes(8))
    + frame(HEADERS, END_HEADERS, 3, REQUEST) + EXCHANGE + frame(DATA, END_STREAM, 1, b"x"),
    "finish": frame(HEADERS, END_HEADERS, 1, REQUEST) + FINISH + frame(GOAWAY, 0, 0, bytes(8)) + RESET_FIRST,
    "pings": frame(PING, 0, 0, b"12345678") * 4 + READ + frame(PING, 0, 0, b"12345678") + EXCHANGE,
    "padding": frame(HEADERS, END_HEADERS | 8, 1, b"\2" + REQUEST + b"\0\0") + frame(DATA, END_STREAM | 8, 1, b"\3x\0\0\0"),
}
CLIENT = {
    "unary": frame(HEADERS, END_HEADERS, 1, REPLY) + frame(DATA, 0, 1, b"\0\0\0\0\2hi")
    + frame(HEADERS, END_HEADERS | END_STREAM, 1, TRAILERS) + CONSUME,
    "trailers_only": frame(HEADERS, END_HEADERS | END_STREAM, 1, REPLY + TRAILERS) + OPEN,
    "informational": frame(HEADERS, END_HEADERS, 1, HINTS) + frame(HEADERS, END_HEADERS, 1, REPLY)
    + frame(DATA, END_STREAM, 1, b"x"),
    "refused": frame(RST, 0, 1, b"\0\0\0\x07") + OPEN + frame(RST, 0, 3, b"\0\0\0\x08") + OPEN,
    "goaway": frame(GOAWAY, 0, 0, b"\0\0\0\1\0\0\0\0") + EXCHANGE + frame(HEADERS, END_HEADERS | END_STREAM, 1, REPLY),
    "few_streams": frame(SETTINGS, 0, 0, b"\0\3\0\0\0\1") + EXCHANGE + OPEN + frame(RST, 0, 1, b"\0\0\0\x08") + OPEN,
    "push": frame(PUSH, END_HEADERS, 1, b"\0\0\0\2" + REQUEST) + frame(HEADERS, END_HEADERS, 2, REPLY),
    "odd_status": frame(HEADERS, END_HEADERS, 1, literal(":status", "099")) + frame(DATA, END_STREAM, 1, b"x"),
    "no_status": frame(HEADERS, END_HEADERS, 1, NO_STATUS) + EXCHANGE,
    "window": frame(WINDOW, 0, 0, b"\0\1\0\0") + frame(WINDOW, 0, 1, b"\0\1\0\0") + EXCHANGE
    + frame(HEADERS, END_HEADERS, 1, REPLY) + full_data(1) * 3 + CONSUME + full_data(1, END_STREAM),
}


def main() -> None:
    corpus = Path(__file__).parent / "corpus"
    raw_server = PREFACE + wire(SETTINGS) + wire(HEADERS, END_HEADERS | END_STREAM, 1, REQUEST) + wire(SETTINGS, ACK)
    raw_client = wire(SETTINGS) + wire(SETTINGS, ACK) + wire(HEADERS, END_HEADERS | END_STREAM, 1, REPLY)
    for target, scripts, raw in (("h2_server_session", SERVER, raw_server), ("h2_client_session", CLIENT, raw_client)):
        folder = corpus / target
        folder.mkdir(parents=True, exist_ok=True)
        seeds = {name: bytes([seed, 0]) + script for seed, (name, script) in enumerate(scripts.items(), 1)}
        seeds["raw"] = bytes([7, RAW]) + raw
        seeds["no_greeting"] = bytes([7, NO_GREETING]) + next(iter(scripts.values()))
        for name, seed in seeds.items():
            (folder / name).write_bytes(seed)


if __name__ == "__main__":
    main()
