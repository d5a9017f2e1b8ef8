#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""nodeway-calculator by itself, without a router: calculator_test.py PROGRAM."""

import http.client
import json
import signal
import subprocess
import sys
import threading
import unittest

PROGRAM = sys.argv.pop(1)


class Pod:
    """A serving process; killed on leaving the block if it still runs."""

    def __init__(self, name, *flags):
        self.process = subprocess.Popen(
            [PROGRAM, "serve", "--pod", name, "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0", *flags],
            stdout=subprocess.PIPE, text=True)
        ports = json.loads(self.process.stdout.readline())
        self.grpc, self.http = ports["grpc"], ports["http"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def get(self, path, host):
        connection = http.client.HTTPConnection(self.http)
        connection.request("GET", path, headers={"Host": host})
        reply = connection.getresponse()
        body = json.loads(reply.read())
        connection.close()
        return reply.status, body, reply.headers

    def stop(self):
        """SIGTERM; the exit code and the line that is printed at the end."""
        self.process.send_signal(signal.SIGTERM)
        lines = self.process.stdout.read().splitlines()
        return self.process.wait(), json.loads(lines[-1])


def run(*arguments):
    """Exit code and last JSON line of a load or a probe."""
    done = subprocess.run([PROGRAM, *arguments], stdout=subprocess.PIPE, text=True)
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


class Calculator(unittest.TestCase):
    def test_answers_all_operations_over_both_protocols(self):
        with Pod("one") as pod:
            for protocol, address in (("grpc", pod.grpc), ("http", pod.http)):
                code, report = run("load", "--protocol", protocol, "--target", address,
                                   "--requests", "500", "--every", "0s")
                self.assertEqual((code, report["calls"], report["failed"]), (0, 500, 0))
                self.assertEqual(len(report["operations"]), 5)
                for operation in report["operations"].values():
                    self.assertEqual(operation["pods"], {"one": operation["calls"]})

    def test_about_one_in_ten_divisions_is_by_zero_and_expected(self):
        with Pod("one") as pod:
            code, report = run("load", "--target", pod.grpc, "--only", "div", "--requests", "1000", "--every", "0s")
            self.assertEqual(code, 0)
            self.assertEqual(list(report["operations"]["div"]["errors"]), ["INVALID_ARGUMENT: division by zero"])
            self.assertTrue(60 <= report["expected"] <= 140, report["expected"])

    def test_percentage_calls_mult_and_then_div(self):
        with Pod("mult", "--service", "mult") as mult, Pod("div", "--service", "div") as div, Pod(
                "percentage", "--service", "percentage", "--mult-grpc", mult.grpc, "--div-grpc", div.grpc,
                "--mult-http", mult.http, "--div-http", div.http) as percentage:
            for protocol, address in (("grpc", percentage.grpc), ("http", percentage.http)):
                code, _ = run("load", "--protocol", protocol, "--target", address, "--only", "percentage",
                              "--requests", "20", "--every", "0s")
                self.assertEqual(code, 0)
            for pod, name in ((mult, "mult"), (div, "div")):
                _, stats, _ = pod.get("/stats", name)
                self.assertEqual([stats["methods"][method]["calls"] for method in (name, "http/" + name)], [20, 20])

    def test_says_why_over_http(self):
        with Pod("one") as pod:
            self.assertEqual(pod.get("/calculate?a=6&b=3", "div.calc:80")[:2], (200, {"pod": "one", "value": 2.0}))
            self.assertEqual(pod.get("/calculate?a=6&b=0", "div")[:2], (422, {"error": "division by zero"}))
            self.assertEqual(pod.get("/calculate?a=6", "div")[0], 400)
            self.assertEqual(pod.get("/calculate?a=6&b=3", "nobody")[0], 404)
            self.assertEqual(pod.get("/calculate?a=6&b=3", "div")[2]["x-pod"], "one")

    def test_streams_every_way_and_sees_cancels(self):
        with Pod("one") as pod:
            code, report = run("probe", "--target", pod.grpc, "--cancels", "3")
            self.assertEqual((code, report["failures"]), (0, {}))
            self.assertEqual(pod.get("/stats", "")[1]["cancelled"], 3)

    def test_finishes_calls_in_flight_after_sigterm(self):
        with Pod("one", "--delay", "1s", "--linger", "0s") as pod:
            outcomes = []
            callers = [
                threading.Thread(target=lambda: outcomes.append(run("load", "--target", pod.grpc, "--requests", "4",
                                                                    "--every", "0s")[0])),
                threading.Thread(target=lambda: outcomes.append(pod.get("/calculate?a=1&b=2", "add")[0]))]
            for caller in callers:
                caller.start()
            while pod.get("/stats", "")[1]["in_flight"] < 5:
                pass
            code, stopped = pod.stop()
            for caller in callers:
                caller.join()
            self.assertEqual(sorted(outcomes), [0, 200])
            self.assertEqual((code, stopped["in_flight_at_shutdown"], stopped["in_flight"]), (0, 5, 0))

    def test_load_reports_what_failed(self):
        with Pod("one") as pod:
            dead = pod.grpc
        code, report = run("load", "--target", dead, "--requests", "3", "--every", "0s")
        self.assertEqual((code, report["failed"]), (1, 3))
        errors = [error for operation in report["operations"].values() for error in operation["errors"]]
        self.assertTrue(all(error.startswith("UNAVAILABLE: ") for error in errors), errors)

    def test_refuses_wrong_flags(self):
        for flags in (["serve", "--service", "root"], ["load"], ["load", "--every", "20"]):
            done = subprocess.run([PROGRAM, *flags], stderr=subprocess.DEVNULL)
            self.assertEqual(done.returncode, 2, flags)


if __name__ == "__main__":
    unittest.main(verbosity=2)
