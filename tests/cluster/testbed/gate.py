# SPDX-License-Identifier: Apache-2.0
"""A TCP gate in front of the API server, through which all pods reach it, so that tests can cut, close and delay it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator


class Gate:
    """Passes bytes both ways, untouched. Its loop has a thread of its own; operations are for any thread."""

    def __init__(self, listen: tuple[str, int], target: tuple[str, int]) -> None:
        self._listen = listen
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._open: set[asyncio.StreamWriter] = set()
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
        return len(self._open) // 2  # two sockets each

    def cut(self) -> int:
        """Ends all connections with a reset; new ones are welcome. Returns how many there were."""
        return asyncio.run_coroutine_threadsafe(self._cut(), self._loop).result(10)

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

    async def _cut(self) -> int:
        cut = list(self._open)
        for writer in cut:
            writer.transport.abort()
        return len(cut) // 2

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
        both = {writer, far_writer}
        self._open |= both
        try:
            await asyncio.gather(self._copy(reader, far_writer), self._copy(far_reader, writer))
        finally:
            self._open -= both
            far_writer.transport.abort()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            if self._delay_s:
                await asyncio.sleep(self._delay_s)
            writer.write(data)
            await writer.drain()
        with contextlib.suppress(OSError):
            writer.write_eof()
