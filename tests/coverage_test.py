#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Proves that coverage.py adds up by folder, and fails where a folder that must be run is not."""

import unittest

import coverage


def file(name: str, lines: tuple[int, int], branches: tuple[int, int] = (0, 0)) -> dict:
    """Of gcovr's summary: totals, and how many of them ran."""
    return {"filename": name, "line_total": lines[0], "line_covered": lines[1],
            "branch_total": branches[0], "branch_covered": branches[1]}


def folders(*files: dict) -> coverage.Folders:
    return coverage.by_folder({"files": files})


class CoverageTest(unittest.TestCase):
    def test_files_are_added_up_by_folder(self) -> None:
        found = folders(file("router/pool/pool.cpp", (10, 5), (4, 1)), file("router/pool/pool.hpp", (10, 10)),
                        file("router/errc.cpp", (2, 2)), file("k8s_client/objects/pod.cpp", (3, 1)))
        self.assertEqual(list(found), ["k8s_client", "router", "router/pool"])
        self.assertEqual(found["router/pool"].lines, coverage.Share(20, 15))
        self.assertEqual(found["router/pool"].branches, coverage.Share(4, 1))

    def test_the_table_tells_corpora_from_all(self) -> None:
        corpora = folders(file("router/pool/pool.cpp", (8, 5), (5, 1)))
        everything = folders(file("router/pool/pool.cpp", (10, 9), (4, 2)))
        self.assertIn("| router/pool | 10 | 50.0 | 90.0 | 4 | 25.0 | 50.0 |\n", coverage.table(corpora, everything))

    def test_required_folders_that_run_are_no_gap(self) -> None:
        self.assertEqual(coverage.gaps(folders(*(file(f"{name}/a.cpp", (10, 5)) for name in coverage.REQUIRED))), [])

    def test_a_required_folder_that_is_missing_is_a_gap(self) -> None:
        self.assertEqual(coverage.gaps(folders(file("router/pool/pool.cpp", (10, 5)))),
                         ["coverage: the report has no router/exchange"])

    def test_a_required_folder_that_hardly_runs_is_a_gap(self) -> None:
        found = folders(file("router/pool/pool.cpp", (10, 4)), file("router/exchange/exchange.cpp", (10, 5)))
        self.assertEqual(coverage.gaps(found), ["coverage: the corpora run less than 50% of the lines of router/pool"])


if __name__ == "__main__":
    unittest.main()
