#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Proves that check_docs.py finds each kind of fault, and finds none where there is none."""

import tempfile
import unittest
from pathlib import Path

import check_docs

TABLE = """\
    Verdict{Errc::a, "a", 404, 12, Sent::no, "no such a"},
    Verdict{
        Errc::b, "b", 502, 14, Sent::maybe, "b was "
                                            "lost"},
"""
ROWS = "| `a` | 404 | 12 | no | no such a |\n| `b` | 502 | 14 | maybe | b was lost |\n"


class CheckDocs(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        self.write("router/errc.cpp", TABLE)
        self.write("docs/errors.md", ROWS)

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def faults(self) -> list[str]:
        return check_docs.faults(self.root)

    def test_passes_sound_documents(self) -> None:
        self.write(
            "README.md",
            "# A `b`, c\n[x](docs/errors.md) [y](#a-b-c) [z](https://example.org/none) `router/errc.cpp` `router/`\n"
            "```sh\ncat [no](link.md)\n```\n```mermaid\nflowchart LR\n a --> b\n```\n",
        )
        self.assertEqual(self.faults(), [])

    def test_finds_a_dead_link(self) -> None:
        self.write("README.md", "[x](docs/none.md)")
        self.assertEqual(self.faults(), ["README.md: dead link: docs/none.md"])

    def test_finds_a_link_to_a_heading_that_is_gone(self) -> None:
        self.write("README.md", "[x](docs/errors.md#none)")
        self.assertEqual(self.faults(), ["README.md: no such heading: docs/errors.md#none"])

    def test_finds_a_file_that_is_gone(self) -> None:
        self.write("docs/life.md", "see `router/none.cpp`")
        self.assertEqual(self.faults(), ["docs/life.md: no such file: router/none.cpp"])

    def test_finds_a_diagram_of_no_known_kind(self) -> None:
        self.write("README.md", "```mermaid\nflwchart LR\n```\n")
        self.assertEqual(self.faults(), ["README.md: unknown diagram: flwchart LR"])

    def test_finds_an_error_with_another_status(self) -> None:
        self.write("docs/errors.md", ROWS.replace("404", "400"))
        self.assertEqual(len(self.faults()), 2)

    def test_finds_an_error_that_is_missing(self) -> None:
        self.write("docs/errors.md", ROWS.splitlines()[0] + "\n")
        self.assertEqual(self.faults(), ["docs/errors.md: lacks the row b | 502 | 14 | maybe | b was lost"])

    def test_finds_errors_in_another_order(self) -> None:
        self.write("docs/errors.md", "".join(reversed(ROWS.splitlines(keepends=True))))
        self.assertEqual(self.faults(), ["docs/errors.md: has the rows of router/errc.cpp in another order"])

    def test_finds_a_test_that_is_gone(self) -> None:
        self.write("tests/a_test.cpp", 'TEST_CASE("A: does " \n "it", "[a]") {}')
        self.write("tests/cluster/test_b.py", "def test_b() -> None:\n")
        for page in ("docs/complaints.md", "docs/kubernetes.md"):
            self.write(page, "| 1 | rule | kept | code | `A: does it`, `test_b`, `A: flies` |\n")
            self.assertEqual(self.faults(), [f"{page}: no such test: A: flies"])
            (self.root / page).unlink()

    def test_finds_a_table_that_cannot_be_read(self) -> None:
        self.write("router/errc.cpp", "")
        self.assertIn("docs/errors.md: router/errc.cpp has no table that can be read", self.faults())


if __name__ == "__main__":
    unittest.main()
