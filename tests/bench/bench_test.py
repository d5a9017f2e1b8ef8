#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The benchmark's own arithmetic: what is parsed, compared and written. No process, no socket, no time."""

import math
import tempfile
import unittest
from pathlib import Path
from typing import ClassVar

import bodies
import h2load
import lingering
import pods
import proxy
import scale_objects
import tables
import workers
from bed import Failed
from frames import DATA, HEADERS, PREFACE, frame, window_update
from h2load import Call
from proxy import CPU, RATE, Sample

OUTPUT = """\
finished in 1.50s, 66.67 req/s, 1.23KB/s
requests: 100 total, 100 started, 100 done, 98 succeeded, 2 failed, 2 errored, 0 timeout
status codes: 97 2xx, 0 3xx, 1 4xx, 0 5xx
traffic: 1.84KB (1884) total, 684B (684) headers (space savings 93.21%), 1.17KB (1200) data
"""
LOG = "1700000000000001\t200\t30\n1700000000000002\t200\t10\n1700000000000003\t200\t20\n"


def sample(rate: float, cpu: float) -> Sample:
    return Sample(requests_per_s=rate, body_mb_per_s=rate / 1000, cpu_us=cpu, p50_ms=1, p99_ms=2, max_rss_mib=10,
                  evenness=1)


class H2loadTest(unittest.TestCase):
    def test_reads_what_is_printed_and_logged(self):
        outcome = h2load.parse(OUTPUT, LOG)
        self.assertEqual((outcome.requests, outcome.succeeded, outcome.seconds), (100, 97, 1.5))
        self.assertEqual(outcome.latency_ms(50), 0.02)
        self.assertEqual(outcome.latency_ms(99), 0.03)
        self.assertEqual(outcome.body_bytes, 1200)
        self.assertAlmostEqual(outcome.body_mb_per_s, 0.0008)

    def test_a_call_without_its_reply_is_none_that_was_answered(self):
        self.assertEqual(h2load.parse(OUTPUT).answered(Call()), 97)
        self.assertEqual(h2load.parse(OUTPUT.replace("(1200) data", "(600) data")).answered(Call()), 50)

    def test_knows_all_units_of_time(self):
        for text, seconds in (("800.00us", 8e-4), ("250.00ms", 0.25), ("2.00s", 2), ("1.5m", 90)):
            self.assertAlmostEqual(h2load.parse(OUTPUT.replace("1.50s", text)).seconds, seconds)

    def test_refuses_output_without_a_result(self):
        with self.assertRaises(Failed):
            h2load.parse("connect: connection refused")

    def test_a_percentile_is_one_of_the_values(self):
        values = list(range(1, 101))
        self.assertEqual([h2load.percentile(values, percent) for percent in (0, 50, 99, 100)], [1, 50, 99, 100])
        self.assertTrue(math.isnan(h2load.percentile([], 50)))


class ComparisonTest(unittest.TestCase):
    SAMPLES = {
        "nodeway": [sample(100, 10), sample(200, 12)],
        "nghttpx": [sample(50, 20), sample(100, 24)],
        "NGINX": [sample(80, 30), sample(160, 30)],
        "server alone": [sample(900, 1), sample(900, 1)],
    }

    def test_the_best_peer_is_that_of_the_figure_and_a_peer(self):
        self.assertEqual(proxy.best_peer(self.SAMPLES, CPU), "nghttpx")
        self.assertEqual(proxy.best_peer(self.SAMPLES, RATE), "NGINX")
        self.assertIsNone(proxy.best_peer({"nodeway": [sample(1, 1)]}, CPU))

    def test_ratios_are_taken_run_by_run(self):
        self.assertEqual(proxy.of_best_peer(self.SAMPLES, "nodeway", CPU), 0.5)
        self.assertEqual(proxy.of_best_peer(self.SAMPLES, "nodeway", RATE), 1.25)

    def test_a_failed_run_leaves_the_ratio_of_the_medians(self):
        samples = {**self.SAMPLES, "nodeway": [sample(100, 11)]}
        self.assertEqual(proxy.of_best_peer(samples, "nodeway", CPU), 0.5)

    def test_the_tables_have_a_row_for_each_subject(self):
        text = proxy.render({"50 × 20": self.SAMPLES}, runs=2)
        self.assertIn("| 50 × 20 | 0.500 of nghttpx | 1.25 of NGINX |", text)
        for row in ("| nodeway | 150 | 11.0 | 18% |", "| NGINX | 120 |", "| server alone × 2 |  | 2.00 |"):
            self.assertIn(row, text)

    def test_the_tables_of_bodies_compare_cpu_and_throughput(self):
        text = bodies.render({"1 KiB, 10 × 10": self.SAMPLES}, runs=2)
        self.assertIn("| 1 KiB, 10 × 10 | 0.500 of nghttpx | 1.25 of NGINX |", text)
        self.assertIn("| nodeway | 150 | 0.150 | 67% | 11.0 | 18% | 10.0 | 0.500 | 1.25 |", text)

    def test_two_workers_are_compared_with_one_run_by_run(self):
        text = workers.render("50 × 20", {"1 worker": [sample(100, 10), sample(200, 10)],
                                          "2 workers": [sample(180, 12), sample(360, 12)]})
        self.assertIn("| two over one | 1.80 |  | 1.20 |  | 1.00 |  |", text)

    def test_of_a_subject_that_failed_there_is_no_ratio(self):
        self.assertTrue(math.isnan(proxy.over(self.SAMPLES, "Envoy", "nodeway", CPU)))

    def test_fewer_large_replies_are_asked_for_to_learn_the_rate(self):
        self.assertEqual([proxy.probe_requests(Call(reply_bytes=size)) for size in (12, 64 << 10, 16 << 20)],
                         [2000, 2000, 8])

    def test_evenness_is_the_least_share_over_the_greatest(self):
        self.assertEqual(proxy.evenness([50, 100, 75]), 0.5)
        self.assertTrue(math.isnan(proxy.evenness([0, 0, 0])))


class TablesTest(unittest.TestCase):
    def test_numbers_have_three_significant_digits(self):
        shown = [tables.number(value) for value in (0, 0.12345, 1.2345, 12.345, 123.45, 12345.6, math.nan)]
        self.assertEqual(shown, ["0.00", "0.123", "1.23", "12.3", "123", "12,346", "–"])

    def test_only_what_is_between_the_markers_is_replaced(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "performance.md")
            path.write_text("a\n<!-- bench proxy -->\nold\n<!-- end proxy -->\nb\n")
            tables.write_between_markers(path, "proxy", "new \\1")
            self.assertEqual(path.read_text(), "a\n<!-- bench proxy -->\n\nnew \\1\n<!-- end proxy -->\nb\n")
            with self.assertRaises(Failed):
                tables.write_between_markers(path, "pick", "new")


class StandingTest(unittest.TestCase):
    RUNS: ClassVar = {"ours": [5, 6, 7], "far": [9, 9, 9], "none": []}

    def test_the_best_median_is_the_best(self):
        self.assertEqual(tables.standing(self.RUNS, "ours", more_is_better=False), "best")
        self.assertEqual(tables.standing(self.RUNS, "ours", more_is_better=True), "worse than far")

    def test_runs_that_overlap_do_not_tell_two_apart(self):
        runs = {**self.RUNS, "near": [4, 5, 5]}
        self.assertEqual(tables.standing(runs, "ours", more_is_better=False), "as near")

    def test_nothing_is_said_of_one_alone(self):
        self.assertEqual(tables.standing({"ours": [1]}, "ours", more_is_better=False), "–")


class ScaleObjectsTest(unittest.TestCase):
    def test_all_endpoints_have_addresses_of_their_own(self):
        slices = [scale_objects.large_slice(service, 0) for service in range(scale_objects.SERVICES)]
        addresses = {endpoint["addresses"][0] for made in slices for endpoint in made["endpoints"]}
        self.assertEqual(len(addresses), scale_objects.SERVICES * scale_objects.ENDPOINTS)

    def test_each_generation_of_a_slice_differs_from_the_one_before(self):
        for generation in range(40):
            self.assertNotEqual(scale_objects.large_slice(7, generation), scale_objects.large_slice(7, generation + 1))


class OutcomeTest(unittest.TestCase):
    LINES = ("0 5000 0 pod-0", "2000 50000 0 pod-4", "4000 1000000 4 ", "6000 200 14 pod-4")

    def setUp(self):
        self.outcome = pods.Outcome([pods.parse(line) for line in self.LINES], bad_pod="pod-4", lost_work=0)

    def test_only_what_ended_well_is_a_success(self):
        self.assertEqual(self.outcome.success(), 0.5)

    def test_what_failed_is_slower_than_anything_else(self):
        self.assertEqual(self.outcome.latency_ms(25), 5)
        self.assertEqual(self.outcome.latency_ms(50), 50)
        self.assertEqual(self.outcome.latency_ms(99), math.inf)

    def test_the_bad_pods_share_is_of_what_pods_have_answered(self):
        self.assertAlmostEqual(self.outcome.bad_share(), 2 / 3)


class FramesTest(unittest.TestCase):
    def test_frames_are_laid_out_as_the_protocol_says(self):
        self.assertEqual(frame(DATA, 1, 5, b"ab"), b"\0\0\2\0\1\0\0\0\5ab")
        self.assertEqual(window_update(3, 256), b"\0\0\4\x08\0\0\0\0\3\0\0\1\0")
        self.assertEqual(len(PREFACE), 24)


def frames_of(data: bytes) -> list[tuple[int, int]]:
    """Kind and stream of each, the last of which may be short of its payload."""
    found = []
    while data:
        size, kind, stream = int.from_bytes(data[:3], "big"), data[3], int.from_bytes(data[5:9], "big")
        found.append((kind, stream))
        data = data[9 + size:]
    return found


class LingeringTest(unittest.TestCase):
    def test_a_slow_body_goes_on_once_in_so_many_turns(self):
        sent = b"".join(lingering.slow_bodies(n, 500) for n in range(lingering.TURNS))
        self.assertEqual(sorted(frames_of(sent)), [(DATA, stream) for stream in range(1, 1001, 2)])

    def test_further_calls_are_on_streams_that_nobody_has_used(self):
        sent = lingering.calling(lingering.STREAMS) + lingering.further_calls(0, 10) + lingering.further_calls(1, 10)
        self.assertEqual(frames_of(sent), [(HEADERS, stream) for stream in range(1, 2 * 1020, 2)])

    def test_a_slow_head_lacks_the_value_of_its_last_field(self):
        sent = lingering.slow_head()
        self.assertEqual(int.from_bytes(sent[:3], "big") - (len(sent) - 9), lingering.SLOW_FIELD_BYTES)
        length = sent[-3:]  # RFC 7541, C.1.2: a prefix that is full, then 7 bits a byte
        self.assertEqual(length[0] + (length[1] & 127) + (length[2] << 7), lingering.SLOW_FIELD_BYTES)


if __name__ == "__main__":
    unittest.main(verbosity=2)
