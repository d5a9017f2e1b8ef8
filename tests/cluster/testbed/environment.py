# SPDX-License-Identifier: Apache-2.0
"""`env`, `envFrom`, the downward API and `$(NAME)`, as core/v1 describes them."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable

from testbed.api import Object

Fetch = Callable[[str, str], Object | None]
"""fetch("configmaps" or "secrets", name): the object in the pod's namespace, or None."""

_REFERENCE = re.compile(r"\$(\$|\(([A-Za-z0-9_.-]+)\))")
_MAP_KEY = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")


class ConfigError(Exception):
    """What a real kubelet reports as CreateContainerConfigError."""


def expand(text: str, known: dict[str, str]) -> str:
    """`$(NAME)` by its value, unknown names as they stand, `$$(` as an escaped `$(`."""

    def value(match: re.Match[str]) -> str:
        if match.group(1) == "$":
            return "$"
        return known.get(match.group(2), match.group(0))

    return _REFERENCE.sub(value, text)


def field_value(pod: Object, path: str) -> str:
    """A `fieldRef` of the downward API."""
    meta, status = pod["metadata"], pod.get("status", {})
    keyed = _MAP_KEY.fullmatch(path)
    if keyed:
        return str(meta.get(keyed.group(1), {}).get(keyed.group(2), ""))
    plain = {
        "metadata.name": meta["name"],
        "metadata.namespace": meta["namespace"],
        "metadata.uid": meta["uid"],
        "spec.nodeName": pod["spec"].get("nodeName", ""),
        "spec.serviceAccountName": pod["spec"].get("serviceAccountName", ""),
        "status.hostIP": status.get("hostIP", ""),
        "status.hostIPs": ",".join(entry["ip"] for entry in status.get("hostIPs", [])),
        "status.podIP": status.get("podIP", ""),
        "status.podIPs": ",".join(entry["ip"] for entry in status.get("podIPs", [])),
    }
    if path not in plain:
        raise ConfigError(f"the test bed knows no fieldRef {path}")
    return str(plain[path])


def content_of(fetched: Object | None) -> dict[str, bytes]:
    """The keys of a ConfigMap or Secret; empty if there is none."""
    fetched = fetched or {}
    content = {key: value.encode() for key, value in (fetched.get("data") or {}).items()}
    if fetched.get("kind") == "Secret":
        content = {key: base64.b64decode(value) for key, value in content.items()}
    binary = fetched.get("binaryData") or {}
    return content | {key: base64.b64decode(value) for key, value in binary.items()}


def _from_key(reference: Object, resource: str, fetch: Fetch) -> str | None:
    value = content_of(fetch(resource, reference["name"])).get(reference["key"])
    if value is None and not reference.get("optional"):
        raise ConfigError(f"no key {reference['key']} in {resource} {reference['name']}")
    return None if value is None else value.decode()


def _from_source(pod: Object, source: Object, fetch: Fetch) -> str | None:
    if "fieldRef" in source:
        return field_value(pod, source["fieldRef"]["fieldPath"])
    if "configMapKeyRef" in source:
        return _from_key(source["configMapKeyRef"], "configmaps", fetch)
    if "secretKeyRef" in source:
        return _from_key(source["secretKeyRef"], "secrets", fetch)
    raise ConfigError(f"the test bed knows no env source {', '.join(source)}")


def _from_whole(source: Object, fetch: Fetch) -> dict[str, str]:
    for key, resource in (("configMapRef", "configmaps"), ("secretRef", "secrets")):
        if key in source:
            reference = source[key]
            fetched = fetch(resource, reference["name"])
            if fetched is None and not reference.get("optional"):
                raise ConfigError(f"{resource} {reference['name']} not found")
            prefix = source.get("prefix", "")
            return {prefix + name: text.decode() for name, text in content_of(fetched).items()}
    raise ConfigError(f"the test bed knows no envFrom {', '.join(source)}")


def environment_of(pod: Object, container: Object, base: dict[str, str], fetch: Fetch) -> dict[str, str]:
    """All variables of a container; later ones see earlier ones."""
    result = dict(base)
    for source in container.get("envFrom", []):
        result |= _from_whole(source, fetch)
    for variable in container.get("env", []):
        if "valueFrom" in variable:
            value = _from_source(pod, variable["valueFrom"], fetch)
        else:
            value = expand(variable.get("value", ""), result)
        if value is not None:
            result[variable["name"]] = value
    return result
