# SPDX-License-Identifier: Apache-2.0
"""Where the parts of the benchmark run: processes of known CPUs, a folder, ports, and what did not work."""

from __future__ import annotations

import contextlib
import json
import os
import random
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

HOST = "127.0.0.1"
START_S = 10.0  # until a server listens, also on a loaded machine
STOP_S = 5.0  # for a server to end after SIGTERM
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Failed(Exception):
    """Something did not work at all: no figure of it means anything."""


class Process:
    """A process of the benchmark, with what the kernel counts of it. All its threads stay on the CPUs given."""

    def __init__(self, name: str, argv: Sequence[str | Path], cpus: Sequence[int], folder: Path, n: int):
        self.name = name
        self.output = folder / f"{n}-{name}.out"
        self.errors = folder / f"{n}-{name}.err"
        # setpriv: ends with this script even if that is killed, since then nobody would end it.
        # Both programs replace themselves, so the process id stays that of the server.
        whole = ["setpriv", "--pdeathsig", "KILL", "taskset", "-c", ",".join(map(str, cpus)), *map(str, argv)]
        with self.output.open("wb") as output, self.errors.open("wb") as errors:
            # A session of its own: Ctrl-C reaches this script alone, which then ends the others.
            self._popen = subprocess.Popen(
                whole, stdin=subprocess.DEVNULL, stdout=output, stderr=errors, start_new_session=True)
        self.pid = self._popen.pid

    def is_alive(self) -> bool:
        return self._popen.poll() is None

    def cpu_seconds(self) -> float:
        """User and system time of all threads, also of those that have ended."""
        self.check()
        return cpu_seconds_of(self.pid)

    def bytes_written(self) -> int:
        """By write(2) and its like, to sockets too, but not by send(2)."""
        return int(self._field("io", "wchar"))

    def rss_kib(self) -> int:
        return int(self._field("status", "VmRSS").removesuffix(" kB"))

    def max_rss_kib(self) -> int:
        return int(self._field("status", "VmHWM").removesuffix(" kB"))

    def await_line(self, word: str, timeout_s: float = START_S) -> dict:
        """The first JSON line on stdout that holds `word`."""
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            for line in self.output.read_text().splitlines(keepends=True):
                if line.endswith("\n") and word in line:
                    return json.loads(line)
            self.check()
            time.sleep(0.01)
        raise Failed(f"{self.name} did not say {word!r} within {timeout_s:g} s: {self.last_words()}")

    def await_port(self, port: int) -> None:
        """Returns when connections to the port are taken."""
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            try:
                socket.create_connection((HOST, port), timeout=1).close()
                return
            except OSError:
                self.check()
                time.sleep(0.01)
        raise Failed(f"{self.name} did not listen on port {port} within {START_S:g} s: {self.last_words()}")

    def wait(self, timeout_s: float) -> int:
        """The exit code; raises if the process takes longer."""
        try:
            return self._popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.name} did not end within {timeout_s:g} s") from None

    def check(self) -> None:
        """Raises if the process has ended, which servers never do by themselves."""
        if not self.is_alive():
            raise Failed(f"{self.name} has ended with {self._popen.returncode}: {self.last_words()}")

    def last_words(self) -> str:
        return (self.errors.read_text(errors="replace") or self.output.read_text(errors="replace"))[-500:].strip()

    def stop(self) -> None:
        """Ends it, politely first. Does nothing if it has ended."""
        if self.is_alive():
            self._popen.terminate()
            try:
                self._popen.wait(STOP_S)
            except subprocess.TimeoutExpired:
                pass
            finally:
                self.kill()

    def kill(self) -> None:
        """Ends it and whatever it has started, now."""
        if self.is_alive():
            os.killpg(self.pid, signal.SIGKILL)
            self._popen.wait()

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _proc(self, file: str) -> str:
        self.check()
        try:
            return Path(f"/proc/{self.pid}/{file}").read_text()
        except OSError:
            self.check()
            raise

    def _field(self, file: str, key: str) -> str:
        for line in self._proc(file).splitlines():
            name, _, value = line.partition(":")
            if name == key:
                return value.strip()
        raise Failed(f"/proc/{self.pid}/{file} has no {key}")


class Bed:
    """Starts everything, and ends it all when it is left, for whatever reason."""

    def __init__(self, build: Path):
        self.build = build  # of the release preset
        cpus = sorted(os.sched_getaffinity(0))
        # What is measured has a CPU of its own, so that neither load nor backends take time from it.
        self.measured_cpus = cpus[-1:]
        self.other_cpus = cpus[:-1] or cpus
        self.problems: list[str] = []  # calls that failed, processes that died
        self._instrument: Sequence[str | Path] = ()
        self._processes: list[Process] = []
        self._adopted_pids: list[int] = []
        self._ports: set[int] = set()

    def __enter__(self) -> Bed:
        self.folder = Path(tempfile.mkdtemp(prefix="nodeway-bench-"))
        os.sched_setaffinity(0, self.other_cpus)
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, name: str, argv: Sequence[str | Path], *, is_measured: bool = False) -> Process:
        """Starts a process on the CPU of what is measured, or on the others."""
        cpus = self.measured_cpus if is_measured else self.other_cpus
        whole = [*self._instrument, *argv] if is_measured else argv
        process = Process(name, whole, cpus, self.folder, len(self._processes))
        self._processes.append(process)
        return process

    @contextlib.contextmanager
    def measuring_under(self, instrument: Sequence[str | Path]) -> Iterator[None]:
        """What is measured is started by this command, which takes its argv and becomes it."""
        self._instrument = instrument
        try:
            yield
        finally:
            self._instrument = ()

    @contextlib.contextmanager
    def sharing_all_cpus(self) -> Iterator[None]:
        """What is measured and everything else run wherever the kernel puts them."""
        apart = self.measured_cpus, self.other_cpus
        self.measured_cpus = self.other_cpus = sorted({*self.measured_cpus, *self.other_cpus})
        try:
            yield
        finally:
            self.measured_cpus, self.other_cpus = apart

    def adopt(self, pid: int) -> None:
        """Takes the work of a process that another has started, and ends, for this script's own."""
        self._adopted_pids.append(pid)

    def free_port(self) -> int:
        """A port for servers that cannot let the kernel choose. Below those that the kernel gives to connections."""
        for port in random.sample(range(15000, 30000), 1000):
            with socket.socket() as probe:
                try:
                    probe.bind((HOST, port))
                except OSError:
                    continue
            if port not in self._ports:
                self._ports.add(port)
                return port
        raise Failed("no free port between 15000 and 30000")

    def watch_other_work(self) -> Callable[[], float]:
        """A function that tells which share of the machine's time has since gone to what this script did not start."""
        began_at, busy_before, own_before = time.monotonic(), busy_seconds(), self.own_cpu_seconds()

        def share() -> float:
            others = busy_seconds() - busy_before - (self.own_cpu_seconds() - own_before)
            return max(0.0, others) / ((time.monotonic() - began_at) * (os.cpu_count() or 1))

        return share

    def own_cpu_seconds(self) -> float:
        """Of this script and of all that it has started, whether it lives or not."""
        ended = sum(usage.ru_utime + usage.ru_stime
                    for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))
        alive = [process.pid for process in self._processes if process.is_alive()]
        adopted = [pid for pid in self._adopted_pids if Path(f"/proc/{pid}").exists()]
        return ended + sum(map(cpu_seconds_of, alive + adopted))

    def binary(self, path: str) -> Path:
        """One of ours, by its path in the build folder."""
        binary = self.build / path
        if not binary.is_file():
            raise Failed(f"{binary} is not there; tests/bench/run.sh builds it")
        return binary

    def note_problem(self, text: str) -> None:
        """Keeps it for the end; the exit code then tells."""
        print(f"PROBLEM: {text}", flush=True)
        self.problems.append(text)


def cpu_seconds_of(pid: int) -> float:
    """User and system time of all threads of a process, also of those that have ended."""
    # The name in parentheses may hold spaces; what follows the last one does not.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def busy_seconds() -> float:
    """Time that all CPUs together have spent in processes since the machine started."""
    user, nice, system = Path("/proc/stat").read_text().splitlines()[0].split()[1:4]
    return (int(user) + int(nice) + int(system)) / TICKS_PER_S


def humble(argv: Sequence[str | Path]) -> list[str | Path]:
    """The command with what others leave of its CPU. `nice` alone would weigh it within its session only: sched(7)."""
    begin = "{ echo 19 >/proc/self/autogroup; } 2>/dev/null; exec nice -n 19 \"$@\""
    return ["/bin/sh", "-c", begin, "sh", *argv]


def program(name: str) -> str:
    """Of the distribution; servers lie where PATH often does not reach."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin:/usr/local/sbin")
    if not found:
        raise Failed(f"no {name}; cmake/setup.sh bench installs it")
    return found
