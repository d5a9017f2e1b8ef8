# SPDX-License-Identifier: Apache-2.0
"""The published JSON Schema says of a document what `nodeway check` says of it. Needs no cluster, but the venv."""

from __future__ import annotations

import copy
import json
import os
import re
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from router import MANIFESTS
from testbed.images import find_image

Document = dict[str, Any]
Place = tuple[str, ...]

_NODEWAY = str(find_image("nodeway").files["nodeway"])
# Half of the time would be the search for leaks; the unit tests of the same code have it.
_FAST = os.environ | {"ASAN_OPTIONS": "detect_leaks=0"}
_DOCS = MANIFESTS.parent / "docs"
_FULL: Document = {
    "version": 1,
    "defaultNamespace": "shop",
    "clusterDomain": "example.org",
    "identifiers": ["header", {"path": {"segments": 2, "consume": True}}, {"grpc-path": {"template": "{service}.shop"}}],
    "callers": {"allow": ["loopback", "10.0.0.0/8"]},
    "externalNames": ["api.example.com", "api.example.com:8080"],
    "defaults": {
        "balancer": {
            "policy": "round_robin",
            "decay": "5s",
            "hashOn": {"header": "x-user-id"},
            "loadBoundPercent": 150,
            "weights": {"zones": {"eu-1a": 2}, "nodes": {"gpu-1": 0.5}, "hostnames": {"db-0": 3}},
        },
        "timeout": {"connect": "250ms", "request": 0},
        "limits": {"queue": {"size": 7, "timeout": "1m30s"}},
        "upstreamProtocol": "http1",
    },
    "services": {"predict.ml": {"timeout": {"request": "2s"}, "upstreamProtocol": "h2c"}},
}
_OF_OTHER_TYPES = (None, True, 0, 1, 1.5, "", [], {}, {"x": 1})
_LABEL = "a" * 63
_LABELS = ("a", "1", "a-b", _LABEL, _LABEL + "a", "-a", "a-", "A", "a.b", "a_b", "ä", "a b")
_DOMAINS = (*_LABELS, "a.b.c", "a..b", ".a", "a.", ".".join(["abc"] * 61), ".".join(["abc"] * 61) + "x")
_DURATIONS = tuple(
    "0 0s 00ms 999us 1ms 9ms 10ms 1s 007s 120s 121s 2m 3m 60m 61m 1h 2h 24h 25h 1440m 1441m 20000µs 1.5s 1m30s".split()
    + ["5", "s", "-1s", "1 s", "1s ", "1d", "1m30", "1s1"]
)
_VALUES: dict[str, tuple[Any, ...]] = {
    "version": (2, "1", 10**20),
    "defaultNamespace": _LABELS,
    "clusterDomain": _DOMAINS,
    "policy": ("peak_ewma", "round_robin", "ring_hash", "fastest", "Peak_ewma"),
    "hashOn": (
        *("path", "callerIp", "callerPod", "header", "cookie", "query", None),
        *({"cookie": "a"}, {"cookie": None}, {"cookie": {}}, {"path": None}, {"callerPod": {}}, {"path": "a"}),
        {"header": "a", "path": None},
    ),
    "header": ("X-User", "a b", "!#$", "a:"),
    "loadBoundPercent": (100, 101, 10_000, 10_001, "150"),
    "zones": (
        *({name: 1} for name in (*_LABELS, "A.b_c-d", "a_")),
        *({f"z{i}": 1 for i in range(n_zones)} for n_zones in (100, 101)),
    ),
    "nodes": tuple({name: 1} for name in _DOMAINS),
    "hostnames": tuple({name: 1} for name in _LABELS),
    "eu-1a": (0.1, 0.09, 10, 10.1, "1"),
    "upstreamProtocol": ("h2c", "http1", "h2", "as_caller"),
    "size": (100_000, 100_001, 10**20, "10", -7),
    "decay": _DURATIONS,
    "connect": _DURATIONS[::3],
    "request": _DURATIONS,
    "timeout": _DURATIONS[1::3],
    "identifiers": (
        ["authority", {"header": {"name": "X-To"}}, "path", {"authority": {}}, {"path": None}],
        [{"header": {"name": "a b"}}],
        [{"header": {"nam": "a"}}],
        ["host"],
        [None],
        [{"path": {}, "header": {}}],
        [{"path": {"segments": 0}}],
        [{"path": {"segments": 9}}],
        [{"path": {"consume": 1}}],
        [{"grpc-path": {"services": {"a.B": "b.c:80", "C": "c.d"}}}],
        [{"grpc-path": {"services": {"a.B": "b"}}}],
        [{"grpc-path": {"template": "{package}"}}],
    ),
    "externalNames": (
        *([domain] for domain in _DOMAINS),
        *([f"{domain}:80"] for domain in _DOMAINS[-2:]),
        *([f"a.b{port}"] for port in (":1", ":65535", ":65536", ":0", ":080", ":", ":x", ":1:2")),
        *([name] for name in (f"{'a.' * 126}a", f"{'a.' * 126}a:80", f"{'a.' * 126}ab", "192.0.2.1", "a.1:80", "*.a.b")),
        ["a.b"] * 100,
        ["a.b"] * 101,
        ["a.1b", "a.-b", "1.a"],
        ["a.1b", "1.a"],
        [None],
        [{}],
    ),
    "allow": (["node-pods", "::/0", "192.0.2.1"], ["nodes"], [1], ["10.0.0.0/"], [{}]),
}
_KEYS = (
    "a.b 1.2 a.b:1 a.b:80 a.b:65535 a.b:65536 a.b:0 a.b:080 a.b: a.b:http a.b:1:2 a a:80 a.b.c a.b.svc . a. .b".split()
    + ["A.b", "a_.b", "-a.b", "a-.b", f"{_LABEL}.b", f"{_LABEL}a.b", ""]
)


def _places(value: Any, place: Place = ()) -> Iterator[Place]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield (*place, name)
            yield from _places(inner, (*place, name))


def _changed(place: Place, **fields: Any) -> Document:
    """The full document without the field at `place`, but with these beside where it was."""
    document = copy.deepcopy(_FULL)
    parent: Any = document
    for name in place[:-1]:
        parent = parent[name]
    fields = {name or place[-1]: value if value is not ... else parent[place[-1]] for name, value in fields.items()}
    del parent[place[-1]]
    parent |= fields
    return document


def _documents() -> Iterator[Document]:
    """Each field missing, misspelt, of another type, at and beyond the ends of its range; and keys of all kinds."""
    yield _FULL
    for place in _places(_FULL):
        name = place[-1]
        yield _changed(place)
        yield from (_changed(place, **{wrong: ...}) for wrong in (name + "s", name.capitalize()))
        yield _changed(place, **{name: ..., "more": 1})
        of_own_type = _VALUES.get(name, ()) if place[0] != "services" else ()  # where fields are those of `defaults`
        yield from (_changed(place, **{name: value}) for value in (*_OF_OTHER_TYPES, *of_own_type))
    yield from (_changed(("services", "predict.ml"), **{key: {}}) for key in _KEYS)


@pytest.fixture(scope="module")
def schema() -> Document:
    """As the router prints it."""
    done = subprocess.run([_NODEWAY, "check", "--schema"], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def _is_taken(path: Path) -> bool:
    done = subprocess.run([_NODEWAY, "check", str(path)], env=_FAST, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 2), done.stderr
    return done.returncode == 0


def test_the_schema_is_one_and_the_published_one(schema: Document) -> None:
    Draft7Validator.check_schema(schema)

    assert schema == json.loads((_DOCS / "nodeway.schema.json").read_text())


def test_the_schema_takes_the_documents_of_the_manifests_and_the_manual(schema: Document) -> None:
    config_map = yaml.safe_load((MANIFESTS / "config_map.yaml").read_text())["data"]["nodeway.yaml"]
    as_defaults = re.sub(r"^# ?(?=\S+:|  )", "", config_map, flags=re.MULTILINE)
    examples = re.findall(r"^```yaml\n(.*?)^```", (_DOCS / "configuration.md").read_text(), re.MULTILINE | re.DOTALL)

    assert examples
    for text in (config_map, as_defaults, *examples):
        document = yaml.safe_load(text)
        assert [error.message for error in Draft7Validator(schema).iter_errors(document)] == [], text


def test_the_schema_and_the_router_say_the_same_of_a_document(schema: Document, tmp_path: Path) -> None:
    documents = {json.dumps(document, ensure_ascii=False): document for document in _documents()}
    files = [tmp_path / f"{number}.json" for number in range(len(documents))]
    for file, text in zip(files, documents, strict=True):
        file.write_text(text)

    with ThreadPoolExecutor(2) as pool:
        by_router = list(pool.map(_is_taken, files))
    validator = Draft7Validator(schema)
    by_schema = [validator.is_valid(document) for document in documents.values()]

    verdicts = list(zip(documents, by_router, by_schema, strict=True))
    assert [verdict for verdict in verdicts if verdict[1] != verdict[2]] == []
    assert 40 < sum(by_router) < len(documents) - 150  # both verdicts were asked for


def test_what_a_schema_cannot_see_is_only_that_sums_and_fractions_are_out_of_range(
    schema: Document, tmp_path: Path
) -> None:
    document = _changed(("defaults", "balancer", "decay"), decay="59m61s")
    file = tmp_path / "sum.json"
    file.write_text(json.dumps(document))

    assert Draft7Validator(schema).is_valid(document)
    assert not _is_taken(file)
