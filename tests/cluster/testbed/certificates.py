# SPDX-License-Identifier: Apache-2.0
"""The cluster's certificate authority, made with the openssl command for one run."""

from __future__ import annotations

from pathlib import Path

from testbed.network import run

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")


class Authority:
    """Signs what the control plane and its clients need; all files are in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.certificate = folder / "ca.crt"
        self._key = folder / "ca.key"
        run(
            *("openssl", "req", "-x509", "-subj", "/CN=testbed-ca", *_KEY),
            *("-keyout", str(self._key), "-out", str(self.certificate)),
            *("-addext", "basicConstraints=critical,CA:TRUE"),
            *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),
        )

    def issue(self, name: str, subject: str, *extensions: str) -> tuple[Path, Path]:
        """A signed certificate and its key, `name`.crt and `name`.key."""
        certificate, key = self._folder / f"{name}.crt", self._folder / f"{name}.key"
        added = [part for extension in extensions for part in ("-addext", extension)]
        run(
            *("openssl", "req", "-x509", "-subj", subject, *_KEY),
            *("-CA", str(self.certificate), "-CAkey", str(self._key)),
            *("-keyout", str(key), "-out", str(certificate), *added),
            *("-addext", "basicConstraints=critical,CA:FALSE"),
        )
        return certificate, key

    def issue_server(self, name: str, *addresses: str) -> tuple[Path, Path]:
        """A server certificate for these IP addresses and the names of the service `kubernetes`."""
        names = [f"IP:{address}" for address in addresses]
        names += ["DNS:kubernetes", "DNS:kubernetes.default.svc", "DNS:localhost"]
        usage = "extendedKeyUsage=serverAuth"
        return self.issue(name, f"/CN={name}", f"subjectAltName={','.join(names)}", usage)

    def issue_client(self, user: str, group: str) -> tuple[Path, Path]:
        """A client certificate; Kubernetes reads CN as the user and O as the group."""
        return self.issue(user, f"/O={group}/CN={user}", "extendedKeyUsage=clientAuth")
