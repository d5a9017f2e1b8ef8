# SPDX-License-Identifier: Apache-2.0
"""The Dockerfile, which cannot be built here, held against the binary that can."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from testbed.images import find_image

_ROOT = Path(__file__).resolve().parents[2]
# In every image of Debian; or only in a build with sanitizers, since the release build has nghttp2 in itself.
_NOT_LISTED = {"libc6", "libgcc-s1", "libasan8", "libubsan1", "libtsan2", "libnghttp2-14"}
# The allocator, which sanitizers do without.
_ONLY_IN_RELEASE = {"libmimalloc2.0"}


def _run_time_packages() -> set[str]:
    final_stage = (_ROOT / "Dockerfile").read_text().split("\nFROM ")[-1]
    return set(re.findall(r"^ {8}([a-z0-9.+-]+) \\$", final_stage, re.MULTILINE))


def _package_of(library: str) -> str:
    # dpkg knows the file by the path of its package, which /lib -> /usr/lib may differ from, and knows files of that
    # name for other architectures, too.
    path = Path(library).resolve()
    found = subprocess.run(["dpkg", "-S", f"*/{path.name}"], capture_output=True, text=True, check=True).stdout
    owners = (line.split(": ", 1) for line in found.splitlines())
    return next(owner.split(":")[0] for owner, file in owners if Path(file).resolve() == path)


def test_the_image_installs_what_the_binary_links_directly() -> None:
    binary = find_image("nodeway").files["nodeway"]
    dynamic = subprocess.run(["readelf", "-d", str(binary)], capture_output=True, text=True, check=True).stdout
    needed = set(re.findall(r"\(NEEDED\).*\[(.+)\]", dynamic))
    linked = subprocess.run(["ldd", str(binary)], capture_output=True, text=True, check=True).stdout
    paths = dict(re.findall(r"^\s*(\S+) => (\S+)", linked, re.MULTILINE))

    packages = {_package_of(paths[name]) for name in needed if name in paths}

    assert packages - _NOT_LISTED == _run_time_packages() - _ONLY_IN_RELEASE


def test_the_image_runs_as_the_user_of_the_manifests() -> None:
    dockerfile = (_ROOT / "Dockerfile").read_text()
    manifest = (_ROOT / "manifests/daemon_set.yaml").read_text()

    user = re.search(r"^USER (\d+):(\d+)$", dockerfile, re.MULTILINE)
    assert user is not None
    assert f"runAsUser: {user[1]}" in manifest
    assert f"runAsGroup: {user[2]}" in manifest
