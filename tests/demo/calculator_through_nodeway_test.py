#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Real grpc++ on both sides of nodeway: every kind of streaming, and what a handler sees of a cancel.

usage: calculator_through_nodeway_test.py NODEWAY CALCULATOR
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

CALCULATOR = sys.argv.pop(2)
NODEWAY = sys.argv.pop(1)
CANCELS = 20
# The product promises 100 ms. Here a sanitized router shares the machine with other tests; the figure itself is a row
# of `make bench`.
SOON_MS = 2000

CLUSTER = """
apiVersion: v1
kind: Service
metadata: {name: probe, namespace: calc}
spec: {ports: [{name: grpc, port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: probe-1, namespace: calc, labels: {kubernetes.io/service-name: probe}}
addressType: IPv4
ports: [{name: grpc, port: %s}]
endpoints: [{addresses: [127.0.0.1], conditions: {ready: true}}]
"""


class Process:
    """One whose lines on stdout are JSON; killed on leaving the block if it still runs."""

    def __init__(self, *command):
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def event(self, name):
        for line in self.process.stdout:
            parsed = json.loads(line)
            if parsed["event"] == name:
                return parsed
        raise AssertionError(f"it ended without saying {name!r}")

    def stop(self):
        """SIGTERM; the exit code and the last line."""
        self.process.terminate()
        lines = self.process.stdout.read().splitlines()
        return self.process.wait(), json.loads(lines[-1]) if lines else {}


class ThroughNodeway(unittest.TestCase):
    def test_streams_every_way_and_its_handlers_see_cancels_soon(self):
        with tempfile.TemporaryDirectory() as folder, Process(
                CALCULATOR, "serve", "--pod", "one", "--grpc", "127.0.0.1:0", "--linger", "0s") as pod:
            port = pod.event("listening")["grpc"].rsplit(":", 1)[1]
            pathlib.Path(folder, "probe.yaml").write_text(CLUSTER % port)
            with Process(NODEWAY, "run", "--source", f"files:{folder}", "--listen", "127.0.0.1:0", "--admin",
                         "127.0.0.1:0") as router:
                target = router.event("ready")["listen"][0]
                done = subprocess.run([CALCULATOR, "probe", "--target", target, "--authority", "probe.calc",
                                       "--cancels", str(CANCELS)], stdout=subprocess.PIPE, text=True)
                report = json.loads(done.stdout.splitlines()[-1])
                self.assertEqual((done.returncode, report["failures"]), (0, {}))
                self.assertLess(report["slowest_cancel_ms"], SOON_MS)
                self.assertEqual(router.stop()[0], 0)
            code, stopped = pod.stop()
            self.assertEqual((code, stopped["cancelled"]), (0, CANCELS))


if __name__ == "__main__":
    unittest.main(verbosity=2)
