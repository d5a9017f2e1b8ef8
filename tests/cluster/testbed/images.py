# SPDX-License-Identifier: Apache-2.0
"""The one table that stands in for a registry: what an image's name means here."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

_BUILD = Path(os.environ.get("NODEWAY_BUILD_DIR", "build/dev")).resolve()
_BINARIES = Path(os.environ.get("NODEWAY_TEST_BINARIES", "."))


@dataclass(frozen=True)
class Image:
    """Files that appear in /usr/local/bin, over a root that has the machine's own /usr."""

    files: dict[str, Path] = field(default_factory=dict)
    entrypoint: tuple[str, ...] = ()
    user: int = 0


_IMAGES = {
    # As the Dockerfile has it.
    "nodeway": Image({"nodeway": _BUILD / "router/nodeway"}, ("/usr/local/bin/nodeway",), user=65532),
    # The same, but that it audits every few seconds: see hasty_audits.cpp.
    "nodeway-hasty": Image(
        {"nodeway-hasty": _BUILD / "tests/cluster/nodeway-hasty"}, ("/usr/local/bin/nodeway-hasty",), user=65532
    ),
    "nodeway-calculator": Image(
        {"nodeway-calculator": _BUILD / "tests/demo/nodeway-calculator"},
        ("/usr/local/bin/nodeway-calculator",),
        user=65532,
    ),
    "grpc-interop": Image(
        {
            "grpc-interop-client": _BINARIES / "grpc-interop-client",
            "grpc-interop-server": _BINARIES / "grpc-interop-server",
        },
    ),
    "grpc-go-adder": Image(
        {"grpc-go-adder": _BINARIES / "grpc-go-adder"}, ("/usr/local/bin/grpc-go-adder",), user=65532
    ),
    # The distribution's Python, for stand-ins of a few lines.
    "python": Image(entrypoint=("/usr/bin/python3",)),
}


class ImageNotFound(Exception):
    """No such name in the table, or its files are not built."""


def find_image(reference: str) -> Image:
    """By the last part of the name, without registry, tag and digest."""
    name = reference.rsplit("/", 1)[-1].split("@")[0].split(":")[0]
    image = _IMAGES.get(name)
    if image is None:
        raise ImageNotFound(f"{reference}: not in testbed/images.py")
    for path in image.files.values():
        if not path.exists():
            raise ImageNotFound(f"{reference}: {path} is not built")
    return image
