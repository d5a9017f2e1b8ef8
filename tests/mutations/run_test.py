#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Proves that `run.py --check` finds each kind of fault, and finds none where there is none."""

import tempfile
import unittest
from pathlib import Path
from unittest import mock

import run

PATCH = """\
Rule: 3
Breaks: one is two
Target: some_tests
Test: Some: one

diff --git a/one.cpp b/one.cpp
--- a/one.cpp
+++ b/one.cpp
@@ -1 +1 @@
-one
+two
"""
RULES = """\
| 3 | one is one | kept | `one.cpp` | `Some: one` |
| 4 | nothing is wrong | kept: nothing to do | | |
| 5 | something else | not yet | | |

"""


class Check(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        for name, value in (("ROOT", self.root), ("PATCHES", self.root), ("WITHOUT", {4: "nothing"})):
            patcher = mock.patch.object(run, name, value)
            patcher.start()
            self.addCleanup(patcher.stop)
        (self.root / "docs").mkdir()
        (self.root / "one.cpp").write_text("one\n")
        (self.root / "03-two.patch").write_text(PATCH)
        self.publish(RULES)

    def publish(self, rules: str) -> None:
        (self.root / run.RULES).write_text(rules + run.TABLE_HEAD + run.table(run.mutations()))

    def faults(self) -> list[str]:
        return list(run.faults(run.mutations()))

    def test_passes_sound_mutations(self) -> None:
        self.assertEqual(self.faults(), [])

    def test_finds_a_patch_that_does_not_apply(self) -> None:
        (self.root / "one.cpp").write_text("uno\n")
        (fault,) = self.faults()
        self.assertIn("03-two.patch does not apply any more: error: patch failed: one.cpp:1", fault)

    def test_finds_a_rule_that_nothing_breaks(self) -> None:
        self.publish(RULES.replace("not yet", "in part: half of it"))
        self.assertEqual(self.faults(), ["docs/kubernetes.md: rule 5 is kept, but no mutation breaks it"])

    def test_finds_a_mutation_of_a_rule_that_is_not_kept(self) -> None:
        self.publish(RULES.replace("| kept | `one.cpp`", "| not yet | `one.cpp`"))
        self.assertEqual(self.faults(), ["rule 3: has a mutation though it is not kept, or cannot be broken"])

    def test_finds_a_table_that_is_not_that_of_the_patches(self) -> None:
        (self.root / "03-two.patch").write_text(PATCH.replace("one is two", "one is none"))
        self.assertEqual(
            self.faults(), ["docs/kubernetes.md: its table of mutations is not that of tests/mutations/run.py --table"]
        )

    def test_refuses_a_header_that_is_not_whole(self) -> None:
        (self.root / "03-two.patch").write_text(PATCH.replace("Test: Some: one\n", ""))
        with self.assertRaisesRegex(run.Fault, "03-two.patch: its header lacks 'Test'"):
            run.mutations()


if __name__ == "__main__":
    unittest.main()
