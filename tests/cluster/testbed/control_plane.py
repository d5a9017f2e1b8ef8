# SPDX-License-Identifier: Apache-2.0
"""etcd, kube-apiserver and kube-controller-manager as processes of this sandbox."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
from pathlib import Path

from testbed.api import Api, ApiError, Object, Unreachable
from testbed.certificates import Authority
from testbed.network import CONTROL_ADDRESS, run
from testbed.wait import wait_until

API_PORT = 6443
_ETCD_URL = "http://127.0.0.1:2379"
_START_TIMEOUT_S = 60.0
_AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "userGroups": ["system:masters", "system:nodes", "system:serviceaccounts:kube-system"]},
        {"level": "Metadata", "userGroups": ["system:serviceaccounts"]},
    ],
}


def base64_of(file: Path) -> str:
    """As the `-data` fields of a kubeconfig have a file."""
    return base64.b64encode(file.read_bytes()).decode()


def _write_kubeconfig(path: Path, cluster: Object, user: Object) -> Path:
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "testbed",
        "clusters": [{"name": "testbed", "cluster": cluster}],
        "users": [{"name": "user", "user": user}],
        "contexts": [{"name": "testbed", "context": {"cluster": "testbed", "user": "user"}}],
    }
    path.write_text(json.dumps(content, indent=2))
    return path


class ControlPlane:
    """Owns the three processes. The caller stops them; the sandbox's end does it anyhow."""

    def __init__(self, folder: Path, logs: Path) -> None:
        self._binaries = Path(os.environ["NODEWAY_TEST_BINARIES"])
        self._folder = folder
        self._logs = logs
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.authority = Authority(folder / "pki")
        self._server = self.authority.issue_server("kube-apiserver", CONTROL_ADDRESS, "127.0.0.1")
        self._admin = self.authority.issue_client("admin", "system:masters")
        self._signing_key = folder / "pki" / "service-accounts.key"
        run("openssl", "genrsa", "-out", str(self._signing_key), "2048")
        self.kubeconfig = self._write_admin_kubeconfig(folder / "admin.kubeconfig")
        self.kubectl = self._binaries / "kubectl"
        self.audit_log = logs / "audit.log"
        """One JSON line per request of a ServiceAccount outside of kube-system."""
        self._audit_policy = folder / "audit_policy.json"
        self._audit_policy.write_text(json.dumps(_AUDIT_POLICY))

    def _write_admin_kubeconfig(self, path: Path) -> Path:
        certificate, key = self._admin
        user = {"client-certificate": str(certificate), "client-key": str(key)}
        cluster = {
            "server": f"https://{CONTROL_ADDRESS}:{API_PORT}",
            "certificate-authority": str(self.authority.certificate),
        }
        return _write_kubeconfig(path, cluster, user)

    def write_inline_kubeconfig(self, path: Path, user: Object, port: int = API_PORT) -> Path:
        """One that needs no other file, as a user may get it by mail: `user` goes in as it is."""
        authority = {"certificate-authority-data": base64_of(self.authority.certificate)}
        return _write_kubeconfig(path, authority | {"server": f"https://{CONTROL_ADDRESS}:{port}"}, user)

    def write_plain_kubeconfig(self, path: Path, url: str, user: Object) -> Path:
        """For a server without TLS."""
        return _write_kubeconfig(path, {"server": url}, user)

    def start(self) -> None:
        """Returns when the API server answers and the controllers run."""
        self.start_api()
        self._start_controllers()

    def start_api(self) -> None:
        """etcd and the API server alone: what is written stays as it was written. Returns when it answers."""
        self._start_etcd()
        self._start_api_server()

    def pid_of(self, name: str) -> int:
        """Of `etcd`, `kube-apiserver` or `kube-controller-manager`. KeyError if it does not run."""
        return self._processes[name].pid

    def _spawn(self, name: str, *flags: str) -> None:
        command = [str(self._binaries / name), *flags]
        with (self._logs / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def _start_etcd(self) -> None:
        peers = "http://127.0.0.1:2380"
        self._spawn(
            "etcd",
            f"--data-dir={self._folder / 'etcd'}",
            "--unsafe-no-fsync",
            f"--listen-client-urls={_ETCD_URL}",
            f"--advertise-client-urls={_ETCD_URL}",
            f"--listen-peer-urls={peers}",
            f"--initial-advertise-peer-urls={peers}",
            f"--initial-cluster=default={peers}",
        )

    def _start_api_server(self) -> None:
        certificate, key = self._server
        self._spawn(
            "kube-apiserver",
            f"--etcd-servers={_ETCD_URL}",
            # Inside the sandbox's own network namespace: no way leads here from outside.
            f"--bind-address={CONTROL_ADDRESS}",
            f"--advertise-address={CONTROL_ADDRESS}",
            f"--secure-port={API_PORT}",
            f"--cert-dir={self._folder / 'apiserver'}",
            f"--tls-cert-file={certificate}",
            f"--tls-private-key-file={key}",
            f"--client-ca-file={self.authority.certificate}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={self._signing_key}",
            f"--service-account-signing-key-file={self._signing_key}",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--authorization-mode=RBAC",
            f"--audit-log-path={self.audit_log}",
            f"--audit-policy-file={self._audit_policy}",
        )
        wait_until(self._api_is_ready, _START_TIMEOUT_S, "the API server to be ready", 0.1)

    def _api_is_ready(self) -> bool:
        if self._processes["kube-apiserver"].poll() is not None:
            raise RuntimeError(f"kube-apiserver ended; see {self._logs}/kube-apiserver.log")
        try:
            return Api(self.kubeconfig).text("GET", "/readyz") == "ok"
        except (ApiError, Unreachable):
            return False

    def _start_controllers(self) -> None:
        self._spawn(
            "kube-controller-manager",
            f"--kubeconfig={self.kubeconfig}",
            f"--service-account-private-key-file={self._signing_key}",
            f"--root-ca-file={self.authority.certificate}",
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
            "--kube-api-qps=200",
            "--kube-api-burst=400",
            # A test takes the API server away for a minute; that must not make all nodes NotReady.
            "--node-monitor-grace-period=10m",
        )

    def kill_api_server(self) -> None:
        """SIGKILL: no watch gets an orderly end."""
        self._kill("kube-apiserver")

    def bring_back(self) -> None:
        """After `kill_api_server`: same address, same state. The controllers begin anew too.

        They would do so in any cluster where they elect a leader, since its lease cannot be kept meanwhile.
        """
        self._start_api_server()
        self._kill("kube-controller-manager")
        self._start_controllers()

    def _kill(self, name: str) -> None:
        process = self._processes.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def stop(self) -> None:
        """Ends everything at once; nothing of a bed is kept."""
        for name in list(self._processes):
            self._kill(name)
