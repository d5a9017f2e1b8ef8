# SPDX-License-Identifier: Apache-2.0
"""A proxy in front of the API server that can lose an event of a watch, as no API server ever should."""

from __future__ import annotations

import http.client
import http.server
import ssl
import threading
from pathlib import Path
from typing import Any

from testbed.control_plane import API_PORT
from testbed.network import CONTROL_ADDRESS

_PASSED_ON = ("Authorization", "Accept", "Accept-Encoding", "User-Agent")


class LossyProxy:
    """Passes GETs on to the API server as whoever sends them, without TLS toward its clients: inside of TLS nothing
    could be lost. Each connection has a thread of its own; operations are for any thread."""

    def __init__(self, authority: Path) -> None:
        self._tls = ssl.create_default_context(cafile=str(authority))
        self._words: tuple[str, ...] = ()
        self._refused = ""
        self.lost: list[str] = []
        """The events that did not arrive."""
        self.compressed: list[str] = []
        """Paths and queries, as often as the reply was compressed."""

    def start(self) -> str:
        """Listens when it returns; its URL."""
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                proxy._serve(self)

            def log_message(self, *_arguments: Any) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_address[1]}"

    def lose(self, *words: str) -> None:
        """The next event of a watch that has all of these in its text does not arrive."""
        self._words = words

    def refuse(self, beginning: str) -> None:
        """From now on GETs of paths that begin so are answered 503."""
        self._refused = beginning

    def _serve(self, client: http.server.BaseHTTPRequestHandler) -> None:
        if self._refused and client.path.startswith(self._refused):
            client.send_error(503)
            return
        server = http.client.HTTPSConnection(CONTROL_ADDRESS, API_PORT, context=self._tls)
        try:
            headers = {name: client.headers[name] for name in _PASSED_ON if name in client.headers}
            server.request("GET", client.path, headers=headers)
            reply = server.getresponse()
            client.send_response(reply.status)
            client.send_header("Content-Type", reply.headers["Content-Type"])
            if "Content-Encoding" in reply.headers:
                client.send_header("Content-Encoding", reply.headers["Content-Encoding"])
                self.compressed.append(client.path)
            client.send_header("Transfer-Encoding", "chunked")
            client.end_headers()
            while line := reply.readline():
                if not ("watch=true" in client.path and self._loses(line.decode())):
                    client.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
            client.wfile.write(b"0\r\n\r\n")
        except (OSError, http.client.HTTPException):
            client.close_connection = True  # one side is gone, and so the other shall be
        finally:
            server.close()

    def _loses(self, event: str) -> bool:
        if not self._words or not all(word in event for word in self._words):
            return False
        self._words = ()
        self.lost.append(event)
        return True
