#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Breaks the rules of docs/kubernetes.md, one after the other, in a scratch copy of the sources, and demands that the test
which is named for each turns red.

usage: run.py [NAME...]   all mutations, or those whose names begin so
       run.py --check     builds nothing: every patch applies, every rule has one, docs/kubernetes.md has their table
       run.py --table     that table

A mutation is a patch in this folder, headed by the number of the rule, by what it breaks, and by the test: of a Catch2
executable (`Target:`), or of a Python script (`Script:`). What turned red is remembered in build/mutations until a source
changes, so that a run that was interrupted goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PATCHES = Path(__file__).resolve().parent
FOLDER = ROOT / "build/mutations"
RULES = "docs/kubernetes.md"
HEADER = re.compile(r"^(\w+): (.*)$", re.MULTILINE)
RULE_ROW = re.compile(r"^\| (\d+) \|.*\| (?:kept|in part)\b", re.MULTILINE)
TABLE = re.compile(r"^\| rule \| .*\n\|[-|]+\n((?:\|.*\n)+)", re.MULTILINE)
TABLE_HEAD = "| rule | what is broken | mutation | in | test that turns red |\n|---|---|---|---|---|\n"

# Rules that no line of ours keeps, so that none can be broken.
WITHOUT = {
    30: "nothing: the clock's type is the steady clock's, so that another one does not compile",
}
TEST_TIMEOUT_S = 120  # a mutation may make a test wait for ever, which is red too


class Fault(Exception):
    """Something is wrong with a mutation or with the build, whatever the tests say."""


@dataclass(frozen=True)
class Mutation:
    """One patch with its header."""

    path: Path
    rule: int
    breaks: str
    target: str  # "" if it is a script
    script: str  # "" if it is a target
    test: str

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def row(self) -> str:
        link = f"[{self.name}](../tests/mutations/{self.path.name})"
        return f"| {self.rule} | {self.breaks} | {link} | `{self.target or self.script}` | `{self.test}` |"


def read_mutation(path: Path) -> Mutation:
    header = dict(HEADER.findall(path.read_text().partition("\ndiff ")[0]))
    try:
        return Mutation(path, int(header["Rule"]), header["Breaks"], header.get("Target", ""), header.get("Script", ""),
                        header["Test"])
    except KeyError as missing:
        raise Fault(f"{path.name}: its header lacks {missing}") from None


def mutations() -> list[Mutation]:
    return [read_mutation(path) for path in sorted(PATCHES.glob("*.patch"))]


def table(all_of_them: list[Mutation]) -> str:
    """The rows of docs/kubernetes.md, in the order of the rules."""
    rows = [(mutation.rule, mutation.name, mutation.row) for mutation in all_of_them]
    rows += [(rule, "", f"| {rule} | {why} | | | |") for rule, why in WITHOUT.items()]
    return "".join(f"{row}\n" for _, _, row in sorted(rows))


def apply(patch: Path, tree: Path, *options: str) -> str:
    """What git says against applying the patch to the tree; "" if nothing."""
    # Otherwise git would take paths for those of the repository around the tree, and leave all out that lie elsewhere.
    apart = {**os.environ, "GIT_CEILING_DIRECTORIES": str(tree.parent)}
    done = subprocess.run(["git", "apply", *options, patch], cwd=tree, env=apart, capture_output=True, text=True)
    return "" if done.returncode == 0 else done.stderr.strip() or "git apply failed"


def faults(all_of_them: list[Mutation]) -> Iterator[str]:
    """What is wrong with the mutations, as far as it can be told without a build."""
    document = (ROOT / RULES).read_text()
    kept = {int(rule) for rule in RULE_ROW.findall(document)}
    broken = {mutation.rule for mutation in all_of_them}
    for mutation in all_of_them:
        if refusal := apply(mutation.path, ROOT, "--check"):
            yield f"{mutation.path.name} does not apply any more: {refusal}"
    for rule in sorted(kept - broken - WITHOUT.keys()):
        yield f"{RULES}: rule {rule} is kept, but no mutation breaks it"
    for rule in sorted((broken & WITHOUT.keys()) | ((broken | WITHOUT.keys()) - kept)):
        yield f"rule {rule}: has a mutation though it is not kept, or cannot be broken"
    published = TABLE.search(document)
    if not published or published[1] != table(all_of_them):
        yield f"{RULES}: its table of mutations is not that of tests/mutations/run.py --table"


def source_names() -> list[str]:
    """All files of the working tree that git knows or would take."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, check=True,
                            capture_output=True, text=True).stdout.split("\0")
    return sorted(name for name in listed if name and (ROOT / name).is_file())


class Scratch:
    """A copy of the working tree with a build folder of its own, kept from run to run."""

    tree = FOLDER / "tree"

    def copy(self, names: list[str]) -> None:
        """Makes the tree that of ROOT. What is the same is left alone, so that it is not built again."""
        for name in names:
            source, copy = ROOT / name, self.tree / name
            text = source.read_bytes()
            if not copy.exists() or copy.read_bytes() != text:
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, copy)
        here = {self.tree / name for name in names}
        for folder in {path.parent for path in here}:
            for path in folder.iterdir():
                if path.is_file() and path not in here:
                    path.unlink()

    def build(self, targets: list[str], *, is_shown: bool = False) -> None:
        command = ["cmake/build.sh", "dev", *targets]
        done = subprocess.run(command, cwd=self.tree, capture_output=not is_shown, text=True)
        if done.returncode != 0:
            raise Fault("does not build" if is_shown else f"does not build:\n{done.stdout[-4000:]}{done.stderr}")

    def is_red(self, mutation: Mutation) -> bool:
        if mutation.script:
            command = [sys.executable, "-B", mutation.script, mutation.test]
        else:
            executable = next(path for path in (self.tree / "build/dev").rglob(mutation.target) if path.is_file())
            command = [str(executable), "-w", "NoTests", re.sub(r'([\\,\[\]"])', r"\\\1", mutation.test)]
        try:
            return subprocess.run(command, cwd=self.tree, capture_output=True, timeout=TEST_TIMEOUT_S).returncode != 0
        except subprocess.TimeoutExpired:
            return True

    def break_and_test(self, mutation: Mutation) -> bool:
        if refusal := apply(mutation.path, self.tree):
            raise Fault(f"does not apply any more: {refusal}")
        try:
            if mutation.target:
                self.build([mutation.target])
            return self.is_red(mutation)
        finally:
            apply(mutation.path, self.tree, "--reverse")


class Memory:
    """Which mutations have turned red, by the text of all sources and of the patch."""

    def __init__(self, names: list[str]) -> None:
        self.path = FOLDER / "red.json"
        self.red = json.loads(self.path.read_text()) if self.path.exists() else {}
        self.sources = hashlib.sha256()
        for name in names:
            if not name.endswith((".md", ".patch")):
                self.sources.update(f"{name}\n".encode() + (ROOT / name).read_bytes())

    def key(self, mutation: Mutation) -> str:
        return hashlib.sha256(self.sources.digest() + mutation.path.read_bytes()).hexdigest()

    def knows(self, mutation: Mutation) -> bool:
        return self.red.get(mutation.name) == self.key(mutation)

    def add(self, mutation: Mutation) -> None:
        self.red[mutation.name] = self.key(mutation)
        self.path.write_text(json.dumps(self.red, indent=1))


def survivors(wanted: list[Mutation]) -> list[str]:
    """What is wrong: mutations that turned nothing red, or that could not be tried."""
    began = time.monotonic()
    names = source_names()
    memory = Memory(names)
    # By target, so that the same objects are built and linked in a row.
    left = sorted((m for m in wanted if not memory.knows(m)), key=lambda m: (m.target, m.name))
    print(f"mutations: {len(left)} to try, {len(wanted) - len(left)} known to turn their test red", flush=True)
    if not left:
        return []
    scratch = Scratch()
    scratch.copy(names)
    if targets := sorted({m.target for m in left if m.target}):  # none would mean all there are
        scratch.build(targets, is_shown=True)
    wrong = [f"{m.name}: red without it: {m.test}" for m in left if scratch.is_red(m)]
    if wrong:
        return wrong
    for number, mutation in enumerate(left, start=1):
        try:
            verdict = "red" if scratch.break_and_test(mutation) else "SURVIVED"
        except Fault as fault:
            verdict = f"ERROR: {fault}"
        print(f"[{number}/{len(left)} {time.monotonic() - began:.0f} s] {mutation.name}: {verdict}", flush=True)
        if verdict == "red":
            memory.add(mutation)
        else:
            wrong.append(f"{mutation.name}: {verdict}: {mutation.test}")
    return wrong


def main() -> int:
    try:
        all_of_them = mutations()
        if sys.argv[1:] == ["--table"]:
            print(TABLE_HEAD + table(all_of_them), end="")
            return 0
        wrong = list(faults(all_of_them))
        if not wrong and sys.argv[1:] != ["--check"]:
            wanted = [m for m in all_of_them if not sys.argv[1:] or m.name.startswith(tuple(sys.argv[1:]))]
            if not wanted:
                raise Fault(f"no mutation is called so: {' '.join(sys.argv[1:])}")
            wrong = survivors(wanted)
            if not wrong and len(wanted) == len(all_of_them):
                print(TABLE_HEAD + table(all_of_them), end="")
    except Fault as fault:
        wrong = [str(fault)]
    for line in wrong:
        print(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
