# SPDX-License-Identifier: Apache-2.0
"""A TCP gate in front of the API server, through which all pods reach it, so that tests can cut, close and delay it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
from collections.abc import Iterator, Set

Peer = tuple[str, int]
"""Address and port of who has connected."""


class Gate:
    """Passes bytes both ways, untouched. Its loop has a thread of its own; operations are for any thread."""

    def __init__(self, listen: tuple[str, int], target: tuple[str, int]) -> None:
        self._listen = listen
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._open: dict[Peer, tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = {}
        self._stalled: Set[Peer] = frozenset()
        self._passes = True
        self._delay_s = 0.0

    def start(self) -> None:
        """Listens when it returns."""
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        listening = asyncio.start_server(self._serve, *self._listen)
        asyncio.run_coroutine_threadsafe(listening, self._loop).result(10)

    @property
    def connections(self) -> int:
        """How many are joined now."""
        return len(self._open)

    def peers(self, address: str) -> Set[Peer]:
        """The connections that are joined now and come from there."""
        return frozenset(peer for peer in list(self._open) if peer[0] == address)

    def cut(self, peers: Set[Peer] | None = None) -> int:
        """Ends all connections, or those of these peers, with a reset; new ones are welcome. Returns their number."""
        return asyncio.run_coroutine_threadsafe(self._cut(peers), self._loop).result(10)

    def close(self) -> None:
        """Cuts, and resets each new connection until `open`."""
        self._passes = False
        self.cut()

    def open(self) -> None:
        """Undoes `close`."""
        self._passes = True

    @contextlib.contextmanager
    def delays(self, seconds: float) -> Iterator[None]:
        """Inside the block every byte arrives so much later, or up to twice that, as from a busy API server."""
        self._delay_s = seconds
        try:
            yield
        finally:
            self._delay_s = 0.0

    @contextlib.contextmanager
    def stalls(self, peers: Set[Peer]) -> Iterator[None]:
        """Inside the block these connections stay open, and nothing passes any more."""
        self._stalled = peers
        try:
            yield
        finally:
            self.cut(peers)  # what was swallowed of them cannot come back
            self._stalled = frozenset()

    async def _cut(self, peers: Set[Peer] | None) -> int:
        cut = [pair for peer, pair in self._open.items() if peers is None or peer in peers]
        for writer in itertools.chain.from_iterable(cut):
            writer.transport.abort()
        return len(cut)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self._passes:
                await self._join(reader, writer)
        except OSError:
            pass  # the other side is not there: the client sees a reset
        finally:
            writer.transport.abort()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        peer = writer.get_extra_info("peername")
        self._open[peer] = (writer, far_writer)
        try:
            await asyncio.gather(self._copy(reader, far_writer, peer), self._copy(far_reader, writer, peer))
        finally:
            del self._open[peer]
            far_writer.transport.abort()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: Peer) -> None:
        while data := await reader.read(1 << 16):
            if peer in self._stalled:
                continue
            if self._delay_s:
                await asyncio.sleep(self._delay_s)
            writer.write(data)
            await writer.drain()
        with contextlib.suppress(OSError):
            writer.write_eof()
