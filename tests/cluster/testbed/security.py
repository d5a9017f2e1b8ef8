# SPDX-License-Identifier: Apache-2.0
"""`securityContext` of pod and container, resolved as the kubelet and a container runtime do it."""

from __future__ import annotations

from dataclasses import dataclass

from testbed.api import Object
from testbed.environment import ConfigError
from testbed.images import Image
from testbed.linux import CAPABILITIES

# What containerd gives a container that asks for nothing (containerd: pkg/oci/spec.go, defaultUnixCaps).
_DEFAULT_CAPABILITIES = set(
    "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE "
    "SYS_CHROOT KILL AUDIT_WRITE".split()
)
_KNOWN = {
    *("runAsUser", "runAsGroup", "runAsNonRoot", "capabilities", "allowPrivilegeEscalation"),
    *("readOnlyRootFilesystem", "seccompProfile", "fsGroup", "supplementalGroups", "privileged"),
}


@dataclass(frozen=True)
class Identity:
    """Who a container runs as, and what it may do."""

    uid: int
    gid: int
    groups: list[int]
    capabilities: list[str]
    no_new_privileges: bool
    read_only_root: bool


def _capabilities(wanted: Object) -> list[str]:
    kept = set(_DEFAULT_CAPABILITIES)
    if "ALL" in wanted.get("add", []):
        kept = set(CAPABILITIES)
    kept -= kept if "ALL" in wanted.get("drop", []) else set(wanted.get("drop", []))
    return sorted(kept | (set(wanted.get("add", [])) - {"ALL"}))


def identity_of(pod_spec: Object, container: Object, image: Image) -> Identity:
    """Raises ConfigError for what a kubelet would refuse, and for what the test bed does not know.

    `seccompProfile` is accepted and not enforced.
    """
    pod_context = pod_spec.get("securityContext") or {}
    context = pod_context | (container.get("securityContext") or {})
    unknown = set(context) - _KNOWN
    if unknown or context.get("privileged"):
        raise ConfigError(f"the test bed does not know securityContext {unknown or 'privileged'}")
    uid = context.get("runAsUser", image.user)
    if context.get("runAsNonRoot") and uid == 0:
        raise ConfigError("container has runAsNonRoot and image will run as root")
    groups = list(pod_context.get("supplementalGroups", []))
    if "fsGroup" in pod_context:
        groups.append(pod_context["fsGroup"])
    return Identity(
        uid=uid,
        gid=context.get("runAsGroup", 0),
        groups=groups,
        capabilities=_capabilities(context.get("capabilities") or {}),
        no_new_privileges=context.get("allowPrivilegeEscalation") is False,
        read_only_root=bool(context.get("readOnlyRootFilesystem")),
    )
