# SPDX-License-Identifier: Apache-2.0
"""What the containers of one pod share: address, volumes, variables, folders."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from testbed.api import Api, ApiError, Object
from testbed.container import ContainerSpec, Mount
from testbed.environment import ConfigError, environment_of, expand
from testbed.images import find_image
from testbed.linux import namespace_path
from testbed.network import CONTROL_ADDRESS, NodeNetwork
from testbed.security import identity_of
from testbed.volumes import PodVolumes

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class NodeContext:
    """What a node gives its pods."""

    name: str
    api: Api
    network: NodeNetwork
    folder: Path
    logs: Path
    service_env: dict[str, str]
    """KUBERNETES_SERVICE_HOST and _PORT: where pods find the API server."""


class PodWorld:
    """Made before the first container starts, taken back after the last has ended."""

    def __init__(self, node: NodeContext, pod: Object) -> None:
        self.node = node
        self.pod = pod
        meta = pod["metadata"]
        self.path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}"
        self.folder = node.folder / "pods" / meta["uid"]
        self.host_network = bool(pod["spec"].get("hostNetwork"))
        self.address = ""
        self._namespace = f"pod-{meta['uid'][:13]}"
        self._service_account = pod["spec"].get("serviceAccountName", "default")
        self._host_ports: list[tuple[str, int]] = []
        self.volumes = PodVolumes(pod, self.folder / "volumes", self._fetch, self._request_token)

    @property
    def network_namespace(self) -> Path:
        """The file that stands for it."""
        name = self.node.network.namespace if self.host_network else self._namespace
        return namespace_path(name)

    def attach(self) -> None:
        """Gives the pod its address and host ports."""
        network = self.node.network
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.host_network:
            self.address = network.address
            return
        self.address = network.attach_pod(self._namespace)
        for container in self.pod["spec"]["containers"]:
            for port in container.get("ports", []):
                if "hostPort" in port:
                    protocol = port.get("protocol", "TCP")
                    target = f"{self.address}:{port['containerPort']}"
                    network.add_host_port(protocol, port["hostPort"], target)
                    self._host_ports.append((protocol, port["hostPort"]))

    def detach(self) -> None:
        """Frees address, host ports and folder."""
        for protocol, port in self._host_ports:
            self.node.network.remove_host_port(protocol, port)
        if self.address and not self.host_network:
            self.node.network.detach_pod(self._namespace, self.address)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _fetch(self, resource: str, name: str) -> Object | None:
        namespace = self.pod["metadata"]["namespace"]
        try:
            return self.node.api.get(f"/api/v1/namespaces/{namespace}/{resource}/{name}")
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    def _request_token(self, audiences: list[str], seconds: int) -> str:
        meta = self.pod["metadata"]
        path = f"/api/v1/namespaces/{meta['namespace']}/serviceaccounts/{self._service_account}/token"
        pod_reference = {"apiVersion": "v1", "kind": "Pod", "name": meta["name"], "uid": meta["uid"]}
        request = {"audiences": audiences, "expirationSeconds": seconds, "boundObjectRef": pod_reference}
        answer = self.node.api.create(path, {"spec": request})
        return str(answer["status"]["token"])

    def _pod_with_addresses(self) -> Object:
        addresses = {
            "hostIP": self.node.network.address,
            "hostIPs": [{"ip": self.node.network.address}],
            "podIP": self.address,
            "podIPs": [{"ip": self.address}],
        }
        return self.pod | {"status": self.pod.get("status", {}) | addresses}

    def _mounts(self, container: Object) -> list[Mount]:
        mounts = []
        for mount in container.get("volumeMounts", []):
            if mount.get("subPath") or mount.get("subPathExpr"):
                raise ConfigError("the test bed knows no subPath")
            source = str(self.volumes.path(mount["name"]))
            mounts.append(Mount(source, mount["mountPath"], bool(mount.get("readOnly"))))
        return sorted(mounts, key=lambda mount: mount.target)

    def container_spec(self, container: Object, run: int) -> ContainerSpec:
        """Raises ConfigError, ImageNotFound."""
        image = find_image(container["image"])
        identity = identity_of(self.pod["spec"], container, image)
        meta = self.pod["metadata"]
        hostname = self.node.name if self.host_network else meta["name"][:63]
        base = {"PATH": _PATH, "HOSTNAME": hostname, "HOME": "/", **self.node.service_env}
        env = environment_of(self._pod_with_addresses(), container, base, self._fetch)
        program = container.get("command") or list(image.entrypoint)
        argv = [expand(word, env) for word in [*program, *container.get("args", [])]]
        if not argv:
            raise ConfigError(f"no command: image {container['image']} has no entry point")
        return ContainerSpec(
            root=str(self.folder / f"{container['name']}.{run}"),
            network_namespace=str(self.network_namespace),
            host_network=self.host_network,
            hostname=hostname,
            address=self.address,
            nameserver=CONTROL_ADDRESS,
            argv=argv,
            env=env,
            directory=container.get("workingDir", "/"),
            files={name: str(path) for name, path in image.files.items()},
            mounts=self._mounts(container),
            uid=identity.uid,
            gid=identity.gid,
            groups=identity.groups,
            capabilities=identity.capabilities,
            no_new_privileges=identity.no_new_privileges,
            read_only_root=identity.read_only_root,
        )

    def log_path(self, container: str, run: int) -> Path:
        """What the container wrote to stdout and stderr; it stays when the pod is gone."""
        meta = self.pod["metadata"]
        name = f"{meta['namespace']}_{meta['name']}_{meta['uid'][:8]}_{container}.{run}.log"
        return self.node.logs / name
