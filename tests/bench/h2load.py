# SPDX-License-Identifier: Apache-2.0
"""h2load of nghttp2: a bounded number of calls, and what came of them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bed import HOST, Bed, Failed, program

METHOD = "bench.Echo/Say"
AUTHORITY = "echo.bench"
REQUEST = b"\0\0\0\0\x08" + b"question"  # gRPC's length-prefixed message: 13 bytes
REPLY = b"\0\0\0\0\x07" + b"answer!"  # 12 bytes
MAX_REQUESTS = 3_000_000  # of one run, whatever the rate
TIMEOUT_S = 120.0

FINISHED = re.compile(r"^finished in ([\d.]+)(us|ms|s|m|h)?, ", re.MULTILINE)
REQUESTS = re.compile(r"^requests: (\d+) total, .* (\d+) succeeded, ", re.MULTILINE)
STATUSES = re.compile(r"^status codes: (\d+) 2xx, ", re.MULTILINE)
TRAFFIC = re.compile(r"^traffic: .* \((\d+)\) data$", re.MULTILINE)
SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class Shape:
    """How the load comes: connections, and calls at a time on each."""

    clients: int
    streams: int

    def __str__(self) -> str:
        return f"{self.clients} × {self.streams}"


@dataclass(frozen=True)
class Call:
    """What is asked for, and what comes back."""

    path: str = f"/{METHOD}"
    reply_bytes: int = len(REPLY)
    is_http1: bool = False  # then it is plain HTTP; else a gRPC call over HTTP/2

    def options(self) -> list[str]:
        """Of h2load."""
        if self.is_http1:
            return ["--h1", "-H", "content-type: application/octet-stream"]
        return ["-H", "content-type: application/grpc", "-H", "te: trailers"]


SMALL_CALL = Call()


@dataclass(frozen=True)
class Outcome:
    """What came of one run."""

    requests: int
    succeeded: int
    seconds: float
    body_bytes: int  # of all replies
    latencies_us: Sequence[int]  # sorted; of those that ended

    @property
    def requests_per_s(self) -> float:
        return self.requests / self.seconds

    @property
    def body_mb_per_s(self) -> float:
        return self.body_bytes / 1e6 / self.seconds

    def answered(self, call: Call) -> int:
        """Calls whose reply has come. An error of gRPC has status 200, and no body."""
        return min(self.succeeded, self.body_bytes // call.reply_bytes)

    def latency_ms(self, percent: float) -> float:
        return percentile(self.latencies_us, percent) / 1000


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The least value that so many percent do not exceed. Of no values: not a number."""
    if not ordered:
        return math.nan
    return ordered[max(math.ceil(percent / 100 * len(ordered)), 1) - 1]


def parse(output: str, log: str = "") -> Outcome:
    """Of what h2load printed, and of its log: a line for each request with start, status and microseconds."""
    finished, requests, statuses, traffic = (
        pattern.search(output) for pattern in (FINISHED, REQUESTS, STATUSES, TRAFFIC))
    if not finished or not requests or not statuses or not traffic:
        raise Failed(f"h2load printed no result: {output[-300:]!r}")
    seconds = float(finished[1]) * SECONDS[finished[2] or "s"]
    # It counts a stream as succeeded by its end, whatever the status.
    succeeded = min(int(requests[2]), int(statuses[1]))
    latencies = sorted(int(line.rpartition("\t")[2]) for line in log.splitlines())
    return Outcome(int(requests[1]), succeeded, seconds, int(traffic[1]), latencies)


def run(bed: Bed, port: int, shape: Shape, requests: int, *, with_latencies: bool = True, host: str = HOST,
        rate: int | None = None, call: Call = SMALL_CALL) -> Outcome:
    """Calls the server on the port so many times, as fast as it can or `rate` times per second and connection. Calls
    that fail are a problem, not an exception."""
    requests = max(min(requests, MAX_REQUESTS), shape.clients * shape.streams)
    body, log = bed.folder / "request", bed.folder / "h2load.log"
    body.write_bytes(REQUEST)
    log.unlink(missing_ok=True)
    argv: list[str | Path] = [
        program("h2load"), "-t1", f"-n{requests}", f"-c{shape.clients}", f"-m{shape.streams}", "-d", body,
        "-H", f":authority: {AUTHORITY}", *call.options()]
    if with_latencies:
        argv.append(f"--log-file={log}")
    if rate:
        argv.append(f"--rps={rate}")
    with bed.start("h2load", [*argv, f"http://{host}:{port}{call.path}"]) as process:
        if process.wait(TIMEOUT_S) != 0:
            raise Failed(f"h2load failed: {process.last_words()}")
        outcome = parse(process.output.read_text(), log.read_text() if with_latencies else "")
    failed = outcome.requests - outcome.answered(call)
    if failed:
        bed.note_problem(f"{failed} of {outcome.requests} calls failed, {shape}")
    return outcome
