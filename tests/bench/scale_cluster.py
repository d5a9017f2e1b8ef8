# SPDX-License-Identifier: Apache-2.0
"""A real API server with the objects of a large cluster, routers as plain processes beside it, and what it counts.

Runs in the sandbox of the cluster tests only (tests/cluster/run.sh --sandbox): addresses and processes end with it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import re
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import scale_objects as objects
import scale_writers
from backends import documents
from bed import HOST, Bed, Failed, Process, cpu_seconds_of, program
from h2load import METHOD
from scale_writers import Access, Writer
from subjects import Nodeway
from testbed import network
from testbed.control_plane import API_PORT, ControlPlane, base64_of

ROOT = Path(__file__).resolve().parents[2]
NODEWAY_NAMESPACE = "nodeway-system"
POD_ADDRESSES = ("10.254.0.1", "10.254.0.2")  # the API server takes no loopback addresses into slices
POD_PORT = 8080
READY_S = 600.0  # for a router to have seen all of it; a hundred at once on one machine of two CPUs take minutes
TOKEN_LIFE = "2h"
BYTES_SENT = re.compile(r"\bbytes_sent:(\d+)")


class Cluster:
    """etcd and kube-apiserver, without controllers: nothing changes but what is written here."""

    def __init__(self, bed: Bed):
        self.bed = bed
        folder = bed.folder / "cluster"
        folder.mkdir()
        network.make_underlay()
        network.ip_batch([f"addr add {address}/32 dev lo" for address in POD_ADDRESSES])
        self._plane = ControlPlane(folder, folder)
        self._folder = folder
        certificate, key = self._plane.authority.issue_client("writer", "system:masters")
        self.access = Access(network.CONTROL_ADDRESS, API_PORT, str(self._plane.authority.certificate),
                             str(certificate), str(key))
        self._access_file = folder / "access.json"
        self._access_file.write_text(json.dumps(dataclasses.asdict(self.access)))

    def __enter__(self) -> Cluster:
        seed = seed_folder()
        if not seed.is_dir():
            self._make_seed(seed)
        shutil.copytree(seed, self._folder / "etcd", dirs_exist_ok=True)
        self._start()
        token = self._kubectl("create", "token", "nodeway", f"--namespace={NODEWAY_NAMESPACE}",
                              f"--duration={TOKEN_LIFE}").strip()
        self._kubeconfig = self._plane.write_inline_kubeconfig(self._folder / "router.kubeconfig", {"token": token})
        return self

    def __exit__(self, *_: object) -> None:
        self._plane.stop()

    def _start(self) -> None:
        self._plane.start_api()
        for name in ("etcd", "kube-apiserver"):
            self.bed.adopt(self._plane.pid_of(name))

    def _make_seed(self, seed: Path) -> None:
        """Writes all objects through the API, on all CPUs, and keeps etcd's files for the next time."""
        began_at = time.monotonic()
        os.sched_setaffinity(0, self.bed.other_cpus + self.bed.measured_cpus)
        self._start()
        self._kubectl("apply", "--kustomize", str(ROOT / "manifests"))
        scale_writers.make_all(self.access, lambda count: print(
            f"scale: {count:,} of {objects.SERVICES:,} Services and their slices, "
            f"{time.monotonic() - began_at:.0f} s", flush=True))
        Writer(self.access).create(objects.slices_path(objects.PROBE_NAMESPACE), self.probe_slice(0))
        self._plane.stop()
        os.sched_setaffinity(0, self.bed.other_cpus)
        unfinished = seed.with_suffix(f".{os.getpid()}")
        shutil.move(self._folder / "etcd", unfinished)
        unfinished.rename(seed)

    def _kubectl(self, *arguments: str) -> str:
        return network.run(str(self._plane.kubectl), "--kubeconfig", str(self._plane.kubeconfig), *arguments)

    def probe_slice(self, pod: int) -> objects.Object:
        """The slice of the Service `echo.bench` when it has the first or the second pod."""
        return objects.probe_slice(POD_ADDRESSES[pod], POD_PORT)

    # What the API server and its neighbour have done

    def api_cpu_seconds(self) -> float:
        return cpu_seconds_of(self._plane.pid_of("kube-apiserver"))

    def etcd_cpu_seconds(self) -> float:
        return cpu_seconds_of(self._plane.pid_of("etcd"))

    def bytes_sent(self) -> int:
        """To all clients that are connected now, as TCP counts them."""
        listed = subprocess.run([program("ss"), "-tinH", "state", "established", f"sport = :{API_PORT}"],
                                capture_output=True, text=True, check=True)
        return sum(map(int, BYTES_SENT.findall(listed.stdout)))

    def requests(self) -> Counter[tuple[str, str]]:
        """Of routers so far, by what they were and by resource. The audit log has a watch from its beginning on."""
        entries = {}
        for line in self._plane.audit_log.read_text().splitlines():
            entry = json.loads(line)
            if entry["user"]["username"].endswith(f":{NODEWAY_NAMESPACE}:nodeway"):
                entries[entry["auditID"]] = entry
        return Counter((kind_of(entry), entry["objectRef"]["resource"]) for entry in entries.values())

    # Processes beside it

    def start_router(self, number: int, *, is_measured: bool, saves_view: bool) -> Process:
        """As the manifests start it, for a node of its own, with one worker. Does not wait for it."""
        argv = [self.bed.binary("router/nodeway"), "run", "--kubeconfig", self._kubeconfig, "--workers", "1",
                "--node", f"node-{number:04}", "--listen", f"{HOST}:0", "--admin", f"{HOST}:0",
                "--log-level", "warning"]
        if saves_view:
            folder = self._folder / f"view-{number}-{self.bed.free_port()}"
            folder.mkdir()
            argv += ["--saved-view", folder]
        return self.bed.start(f"nodeway-{number}", argv, is_measured=is_measured)

    @contextlib.contextmanager
    def router(self) -> Iterator[Nodeway]:
        """One that is measured, and ready."""
        with self.start_router(0, is_measured=True, saves_view=True) as process:
            yield await_ready(process)

    @contextlib.contextmanager
    def pods(self) -> Iterator[None]:
        """Both pods of `echo.bench`. The second one's replies are a byte longer than the first one's."""
        with contextlib.ExitStack() as stack:
            for pod, address in enumerate(POD_ADDRESSES):
                folder = documents(self.bed)
                if pod > 0:
                    longer = self.bed.folder / f"documents-{pod}" / METHOD
                    longer.parent.mkdir(parents=True, exist_ok=True)
                    longer.write_bytes((folder / METHOD).read_bytes() + b"!")
                    folder = longer.parents[1]
                stack.enter_context(self.bed.start(
                    f"pod-{pod}", [program("nghttpd"), "--no-tls", f"--address={address}", f"--htdocs={folder}",
                                   "--trailer=grpc-status: 0", str(POD_PORT)]))
            yield

    @contextlib.contextmanager
    def churn(self, rate: float, found: list[float]) -> Iterator[None]:
        """Changes slices meanwhile. The rate that was reached goes into `found`."""
        argv = ["python3", "-B", Path(scale_writers.__file__), self._access_file, str(rate)]
        with self.bed.start("churn", argv) as process:
            process.await_line("begun")
            yield
            process.check()
            process.stop()
            done = process.await_line("done")
            found.append(done["updates"] / done["seconds"])


def seed_folder() -> Path:
    """etcd's files with all objects, in the cache of the cluster tests; another one when the objects are others."""
    made_of = hashlib.sha256(Path(os.environ["NODEWAY_TEST_BINARIES"]).name.encode())
    for file in (Path(objects.__file__), Path(scale_writers.__file__), *sorted((ROOT / "manifests").iterdir())):
        made_of.update(file.read_bytes())
    return Path(os.environ["NODEWAY_TEST_CACHE"]) / f"scale-{made_of.hexdigest()[:12]}"


def kind_of(entry: dict) -> str:
    """Of an entry of the audit log: `watch`, `streaming list` and so on, with its status if that is an error."""
    kind = "streaming list" if "sendInitialEvents=true" in entry["requestURI"] else entry["verb"]
    code = entry["responseStatus"]["code"]
    return kind if code < 400 else f"{kind}, answered {code}"


def slices_seen(router: Nodeway) -> float:
    """Changes of slices that a router has heard of so far."""
    return router.metric("nodeway_watch_events_total", resource="endpointslices")


def await_ready(process: Process) -> Nodeway:
    ready = process.await_line('"event":"ready"', READY_S)
    return Nodeway(process, int(ready["listen"][0].rpartition(":")[2]))
