#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs clang-tidy-16 over sources, but not again over those that it has found clean before.

usage: tidy.py BUILD_FOLDER SOURCE...

What was clean is remembered outside the tree by the text of the source, of all that it includes from the project, and
of the checks; so a second run costs seconds. Headers are checked with the sources that include them.
"""

import hashlib
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TIDY = "clang-tidy-16"
ROOT = Path(__file__).resolve().parent.parent


def cache_folder() -> Path:
    """Beside the other things that are slow to get; see docs/testing.md."""
    base = os.environ.get("NODEWAY_TEST_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "nodeway")
    folder = Path(base) / "tidy"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def objects_by_source(build: Path) -> dict[Path, str]:
    """The object file of each source, as ninja names it."""
    commands = json.loads((build / "compile_commands.json").read_text())
    return {Path(entry["file"]): entry["command"].split(" -o ")[1].split()[0] for entry in commands}


def includes_by_object(build: Path) -> dict[str, list[Path]]:
    """What each object was made from, of the project's own files."""
    text = subprocess.run(["ninja", "-C", build, "-t", "deps"], check=True, capture_output=True, text=True).stdout
    result: dict[str, list[Path]] = {}
    current: list[Path] = []
    for line in text.splitlines():
        if line.startswith("    "):
            path = Path(os.path.normpath(build / line.strip()))
            if path.is_relative_to(ROOT) and not path.is_relative_to(build):
                current.append(path)
        elif ": #deps" in line:
            current = result.setdefault(line.split(": #deps")[0], [])
    return result


def key_of(source: Path, included: list[Path]) -> str:
    """Differs if anything that clang-tidy may see of the project does."""
    digest = hashlib.sha256()
    configurations = [folder / ".clang-tidy" for folder in source.parents if folder.is_relative_to(ROOT)]
    for path in sorted({source, *included, *configurations}):
        if path.exists():
            digest.update(f"{path.relative_to(ROOT)}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def check(source: Path, build: Path, stamp: Path) -> bool:
    done = subprocess.run([TIDY, "--quiet", "-p", build, source], capture_output=True, text=True)
    if done.returncode == 0:
        stamp.touch()
    print(f"{'clean' if done.returncode == 0 else 'NOT CLEAN'}: {source.relative_to(ROOT)}", flush=True)
    if done.returncode != 0:
        print(done.stdout, flush=True)
    return done.returncode == 0


def main() -> int:
    build = Path(sys.argv[1]).resolve()
    wanted = sorted({(ROOT / name).resolve() for name in sys.argv[2:]})
    objects = objects_by_source(build)
    included = includes_by_object(build)
    for source in wanted:
        if source not in objects:
            print(f"not compiled by the dev build, so not checked: {source.relative_to(ROOT)}")
    known = [source for source in wanted if source in objects]
    stamps = {source: cache_folder() / key_of(source, included.get(objects[source], [])) for source in known}
    left = [source for source in known if not stamps[source].exists()]
    print(f"clang-tidy: {len(left)} sources to check, {len(known) - len(left)} known to be clean", flush=True)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        are_clean = list(pool.map(lambda source: check(source, build, stamps[source]), left))
    return 0 if all(are_clean) else 1


if __name__ == "__main__":
    sys.exit(main())
