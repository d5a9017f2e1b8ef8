# SPDX-License-Identifier: Apache-2.0
"""The DNS server of all nodes and pods: it knows what tests tell it, and no name of the cluster's."""

from __future__ import annotations

import ipaddress
import socket
import struct
import threading
from collections import Counter

from testbed.network import CONTROL_ADDRESS

# RFC 1035, section 4.1
_HEADER = struct.Struct("!6H")
_IS_ANSWER = 0x8580  # QR, AA, RD, RA
_NO_SUCH_NAME = 3
_QUESTIONS_NAME = 0xC00C  # a pointer to what follows the header
_IN = 1
_TYPES = {4: 1, 6: 28}  # A and AAAA, by the version of the address


class Dns:
    """Serves UDP on a thread of its own; operations are for any thread. Names that it does not know do not exist."""

    def __init__(self) -> None:
        self._names: dict[str, tuple[int, list[str]]] = {}
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.questions: Counter[str] = Counter()
        """How often a name was asked for, whatever the type."""
        self.is_away = False
        """Whether questions get no reply."""

    def start(self) -> None:
        """Answers when it returns."""
        self._socket.bind((CONTROL_ADDRESS, 53))
        threading.Thread(target=self._serve, daemon=True).start()

    def set(self, name: str, *addresses: str, ttl_s: int = 5) -> None:
        """The addresses of a name, in lower case, from here on."""
        self._names[name] = (ttl_s, list(addresses))

    def _serve(self) -> None:
        while True:
            question, peer = self._socket.recvfrom(4096)
            reply = self._reply_to(question)
            if not self.is_away:
                self._socket.sendto(reply, peer)

    def _reply_to(self, question: bytes) -> bytes:
        name, end = _name_in(question)
        self.questions[name] += 1
        (asked,) = struct.unpack_from("!H", question, end)
        ttl_s, addresses = self._names.get(name, (0, []))
        found = [address for address in map(ipaddress.ip_address, addresses) if _TYPES[address.version] == asked]
        flags = _IS_ANSWER if name in self._names else _IS_ANSWER | _NO_SUCH_NAME
        reply = _HEADER.pack(*struct.unpack_from("!H", question), flags, 1, len(found), 0, 0)
        reply += question[_HEADER.size : end + 4]
        for address in found:
            reply += struct.pack("!3HIH", _QUESTIONS_NAME, asked, _IN, ttl_s, len(address.packed)) + address.packed
        return reply


def _name_in(question: bytes) -> tuple[str, int]:
    """The name that is asked for, and where its type follows."""
    labels, at = [], _HEADER.size
    while size := question[at]:
        labels.append(question[at + 1 : at + 1 + size].decode().lower())
        at += 1 + size
    return ".".join(labels), at + 1
