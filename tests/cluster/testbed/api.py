# SPDX-License-Identifier: Apache-2.0
"""Objects of the API server as plain dictionaries, over the connections of the official client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from kubernetes import client, config
from urllib3.exceptions import HTTPError

Object = dict[str, Any]
"""A Kubernetes object as its JSON has it."""

_TIMEOUT_S = 30
_PATCH = "application/strategic-merge-patch+json"
_APPLY = "application/apply-patch+yaml"


class ApiError(Exception):
    """The API server answered, and the answer is an error."""

    def __init__(self, method: str, path: str, code: int, body: str) -> None:
        super().__init__(f"{method} {path}: {code} {body[:500]}")
        self.code = code


class Unreachable(Exception):
    """No answer: the API server is down, or went down meanwhile."""


class Api:
    """One user's access to the API server. Any thread."""

    def __init__(self, kubeconfig: Path, token: str | None = None) -> None:
        configuration = client.Configuration()
        config.load_kube_config(str(kubeconfig), client_configuration=configuration)
        configuration.retries = 0
        if token is not None:
            configuration.cert_file = configuration.key_file = None
        self._client = client.ApiClient(configuration)
        self._host = configuration.host
        self._authorization = {"Authorization": f"Bearer {token}"} if token else {}

    def _open(self, method: str, path: str, body: Any, kind: str, timeout: Any) -> Any:
        headers = {"Accept": "application/json", "Content-Type": kind, **self._authorization}
        try:
            response = self._client.rest_client.request(
                method, self._host + path, headers=headers, body=body, _request_timeout=timeout
            )
            if response.status >= 400:
                raise ApiError(method, path, response.status, response.read().decode())
        except (HTTPError, client.ApiException) as error:
            raise Unreachable(f"{method} {path}: {error}") from error
        return response

    def text(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> str:
        """The answer as it comes. Raises ApiError, Unreachable."""
        response = self._open(method, path, body, kind, _TIMEOUT_S)
        try:
            return str(response.read().decode())
        except HTTPError as error:
            raise Unreachable(f"{method} {path}: {error}") from error

    def header(self, path: str, name: str) -> str:
        """A header field of the answer to a GET; "" if it has none."""
        response = self._open("GET", path, None, "application/json", _TIMEOUT_S)
        return str(response.getheader(name, ""))

    def get(self, path: str) -> Object:
        """One object or list."""
        return json.loads(self.text("GET", path))

    def create(self, path: str, body: Object) -> Object:
        """POST to the collection at `path`."""
        return json.loads(self.text("POST", path, body))

    def patch(self, path: str, body: Object) -> Object:
        """Strategic merge patch."""
        return json.loads(self.text("PATCH", path, body, _PATCH))

    def apply(self, path: str, body: Object) -> Object:
        """Server-side apply: makes the object, or changes it into this."""
        return json.loads(self.text("PATCH", f"{path}?fieldManager=testbed&force=true", body, _APPLY))

    def delete(self, path: str, body: Object | None = None) -> None:
        """An object that is gone already is no error."""
        try:
            self.text("DELETE", path, body)
        except ApiError as error:
            if error.code != 404:
                raise

    def watch(self, path: str, version: str, **query: str) -> Iterator[Object]:
        """Events from `version` on, until the server or the network ends the watch."""
        query |= {"watch": "1", "resourceVersion": version, "allowWatchBookmarks": "true"}
        timeout = (_TIMEOUT_S, None)  # a quiet watch is a healthy one
        response = self._open("GET", f"{path}?{urlencode(query)}", None, "application/json", timeout)
        rest = b""
        try:
            for part in response.response.stream(1 << 16, decode_content=True):
                *lines, rest = (rest + part).split(b"\n")
                yield from (json.loads(line) for line in lines if line)
        except (HTTPError, OSError) as error:
            raise Unreachable(f"watch {path}: {error}") from error
        finally:
            response.response.close()
