# SPDX-License-Identifier: Apache-2.0
"""A pod's volumes as folders: emptyDir, configMap, secret, downwardAPI, projected (with tokens)."""

from __future__ import annotations

import itertools
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from testbed.api import Object
from testbed.environment import ConfigError, Fetch, content_of, field_value

RequestToken = Callable[[list[str], int], str]
"""request_token(audiences, seconds): a token of the pod's ServiceAccount, bound to the pod."""

_DEFAULT_MODE = 0o644
_versions = itertools.count(1)


@dataclass(frozen=True)
class File:
    """One file of a volume."""

    content: bytes
    mode: int


def write_atomically(folder: Path, files: dict[str, File], owner: int, group: int) -> None:
    """All files change at once, and readers never see half: the links of kubelet's AtomicWriter.

    Source: kubernetes pkg/volume/util/atomic_writer.go.
    """
    fresh = folder / f"..version-{next(_versions)}"
    for name, file in files.items():
        path = fresh / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.content)
        os.chown(path, owner, group)
        path.chmod(file.mode)
    fresh.mkdir(exist_ok=True)
    old = folder / "..data"
    former = folder / os.readlink(old) if old.is_symlink() else None
    new = folder / "..data_tmp"
    new.symlink_to(fresh.name)
    new.rename(old)
    for top in {name.split("/")[0] for name in files}:
        if not (folder / top).is_symlink():
            (folder / top).symlink_to(f"..data/{top}")
    if former is not None:
        shutil.rmtree(former)


class PodVolumes:
    """Makes the volumes of one pod under `folder`, and keeps its tokens fresh."""

    def __init__(self, pod: Object, folder: Path, fetch: Fetch, request_token: RequestToken) -> None:
        self._pod = pod
        self._folder = folder
        self._fetch = fetch
        self._request_token = request_token
        self._refresh_at = float("inf")
        context = pod["spec"].get("securityContext") or {}
        self._group: int | None = context.get("fsGroup")
        users = {
            (entry.get("securityContext") or {}).get("runAsUser", context.get("runAsUser"))
            for entry in pod["spec"]["containers"]
        }
        # Only if all containers run as one user can the token belong to it.
        self._user: int | None = users.pop() if len(users) == 1 else None

    def path(self, name: str) -> Path:
        """Where the volume of that name is."""
        return self._folder / name

    def make(self) -> None:
        """Raises ConfigError if a ConfigMap or Secret is missing, or a kind is unknown here."""
        for volume in self._pod["spec"].get("volumes", []):
            folder = self.path(volume["name"])
            folder.mkdir(parents=True, exist_ok=True)
            if "emptyDir" in volume:
                folder.chmod(0o777)
                if self._group is not None:
                    os.chown(folder, -1, self._group)
            else:
                self._write(volume)

    def refresh_tokens(self, now: float, *, force: bool = False) -> None:
        """Writes tokens again at 80 % of their life, as kubelet does, or at once if forced."""
        if now < self._refresh_at and not force:
            return
        self._refresh_at = float("inf")
        for volume in self._pod["spec"].get("volumes", []):
            if any("serviceAccountToken" in s for s in volume.get("projected", {}).get("sources", [])):
                self._write(volume)

    def _write(self, volume: Object) -> None:
        owner = -1 if self._user is None else self._user
        group = -1 if self._group is None else self._group
        write_atomically(self.path(volume["name"]), self._files(volume), owner, group)

    def _files(self, volume: Object) -> dict[str, File]:
        if "projected" in volume:
            mode = volume["projected"].get("defaultMode", _DEFAULT_MODE)
            files: dict[str, File] = {}
            for source in volume["projected"].get("sources", []):
                files |= self._source(source, mode)
            return files
        if "configMap" in volume:
            return self._source(volume, volume["configMap"].get("defaultMode", _DEFAULT_MODE))
        if "secret" in volume:
            secret = volume["secret"] | {"name": volume["secret"]["secretName"]}
            return self._source({"secret": secret}, secret.get("defaultMode", _DEFAULT_MODE))
        if "downwardAPI" in volume:
            return self._source(volume, volume["downwardAPI"].get("defaultMode", _DEFAULT_MODE))
        raise ConfigError(f"the test bed knows no such volume: {volume}")

    def _source(self, source: Object, mode: int) -> dict[str, File]:
        if "serviceAccountToken" in source:
            return self._token(source["serviceAccountToken"], mode)
        if "configMap" in source:
            return self._keys(source["configMap"], "configmaps", mode)
        if "secret" in source:
            return self._keys(source["secret"], "secrets", mode)
        if "downwardAPI" in source:
            return {
                item["path"]: File(
                    field_value(self._pod, item["fieldRef"]["fieldPath"]).encode(),
                    item.get("mode", mode),
                )
                for item in source["downwardAPI"].get("items", [])
            }
        raise ConfigError(f"the test bed knows no such projection: {source}")

    def _token(self, source: Object, mode: int) -> dict[str, File]:
        seconds = source.get("expirationSeconds", 3600)
        audiences = [source["audience"]] if source.get("audience") else []
        token = self._request_token(audiences, seconds)
        self._refresh_at = min(self._refresh_at, time.monotonic() + 0.8 * seconds)
        # kubernetes pkg/volume/projected/projected.go: 0600 if somebody can be made its owner.
        if self._user is not None or self._group is not None:
            mode = 0o600 if self._group is None else 0o640
        return {source["path"]: File(token.encode(), mode)}

    def _keys(self, source: Object, resource: str, mode: int) -> dict[str, File]:
        fetched = self._fetch(resource, source["name"])
        if fetched is None and not source.get("optional"):
            raise ConfigError(f"{resource} {source['name']} not found")
        content = content_of(fetched)
        items = source.get("items") or [{"key": key, "path": key} for key in content]
        return {
            item["path"]: File(content[item["key"]], item.get("mode", mode)) for item in items if item["key"] in content
        }
