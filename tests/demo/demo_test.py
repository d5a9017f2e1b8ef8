#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""nodeway demo, as a user runs it, and as it must not end: demo_test.py NODEWAY CALCULATOR."""

import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest

CALCULATOR = sys.argv.pop(2)
NODEWAY = sys.argv.pop(1)
END_S = 5  # what is killed may take that long to be gone on a loaded machine


class Demo:
    """A demo with a folder for temporary files of its own, by which its processes are found."""

    def __init__(self, *flags):
        self.folder = tempfile.TemporaryDirectory(prefix="demo-test-")
        self.process = subprocess.Popen(
            [NODEWAY, "demo", "--calculator", CALCULATOR, *flags], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, env={**os.environ, "TMPDIR": self.folder.name})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.folder.cleanup()

    def end(self):
        output = self.process.stdout.read()
        return self.process.wait(), output

    def wait_for(self, text):
        for line in self.process.stdout:
            if text in line:
                return
        raise AssertionError(f"the demo ended without saying {text!r}")

    def processes(self):
        """Those that live, of all that were started with this demo's environment."""
        mark = f"TMPDIR={self.folder.name}".encode()
        found = []
        for folder in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if mark in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
            except OSError:
                pass  # ended meanwhile, or not ours
        return found

    def left_behind(self):
        """Processes and files that are still there; those that were killed are given time to be gone."""
        until = time.monotonic() + END_S
        while self.processes() and time.monotonic() < until:
            time.sleep(0.05)
        return self.processes(), os.listdir(self.folder.name)


class DemoTest(unittest.TestCase):
    def test_ends_by_itself_with_everything_shown(self):
        with Demo("--duration", "12s") as demo:
            code, output = demo.end()
            self.assertEqual(code, 0, output)
            self.assertRegex(output, r"add-4 got its first request \d+\.\d ms after")
            self.assertRegex(output, r"mult-1 had answered [1-9]\d* calls")
            self.assertRegex(output, r"lost while pods came and went: 0 of [1-9]\d{2,} calls")
            self.assertRegex(output, r"NAMESPACE +NAME +ENDPOINTS +SUCCESS +RPS +LATENCY_P50 +LATENCY_P95 +LATENCY_P99")
            self.assertRegex(output, r"calc +percentage +3/3 +100\.00%")
            success = float(re.search(r"calc +div .* (\d+\.\d\d)%", output)[1])
            self.assertTrue(80 <= success < 100, success)
            for pod in ("add-1", "add-2", "add-3"):
                self.assertRegex(output, rf"{pod} +\d+ +\d+ +#* +[1-9]\d* +[1-9]\d*  #")
            self.assertEqual(demo.left_behind(), ([], []))

    def test_fails_if_a_pod_takes_calls_to_its_grave(self):
        with Demo("--duration", "8s", "--break=lose") as demo:
            code, output = demo.end()
            self.assertEqual(code, 1, output)
            self.assertRegex(output, r"DID NOT HOLD: [1-9]\d* calls were lost")
            self.assertIn("DID NOT HOLD: mult-1 ended with 137", output)

    def test_fails_if_one_pod_does_all_the_work(self):
        with Demo("--duration", "8s", "--break=share") as demo:
            code, output = demo.end()
            self.assertEqual(code, 1, output)
            self.assertRegex(output, r"DID NOT HOLD: add-2 got 0 of \d+ gRPC calls")

    def test_stays_up_for_play_until_interrupted(self):
        with Demo("--pods", "2") as demo:
            demo.wait_for("Ctrl-C ends it")
            self.assertGreater(len(demo.processes()), 10)
            demo.process.send_signal(signal.SIGINT)
            code, output = demo.end()
            self.assertEqual(code, 0, output)
            self.assertEqual(demo.left_behind(), ([], []))

    def test_leaves_no_process_if_it_is_killed(self):
        with Demo("--pods", "2", "--duration", "60s") as demo:
            demo.wait_for("STRAIGHT")
            demo.process.kill()
            self.assertEqual(demo.left_behind()[0], [])

    def test_refuses_what_it_cannot_play(self):
        for flags, line in ((["--duration", "1s"], "--duration must be 5s or more"),
                            (["--calculator", "/nowhere"], "/nowhere is no program"),
                            (["--pods", "1"], "--pods")):
            done = subprocess.run([NODEWAY, "demo", *flags], stderr=subprocess.PIPE, text=True)
            self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)
            self.assertIn(line, done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
