# SPDX-License-Identifier: Apache-2.0
"""The system calls that Python 3.11 does not wrap: namespaces, mounts, capabilities.

Standard library only: the first process of every container imports it.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_REMOUNT = 0x20
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
MNT_DETACH = 0x2

PR_SET_PDEATHSIG = 1
PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38

_SYS_PIVOT_ROOT = 155  # x86_64
_CAPABILITY_VERSION_3 = 0x20080522
_LAST_CAPABILITY = Path("/proc/sys/kernel/cap_last_cap")

_libc = ctypes.CDLL(None, use_errno=True)

# include/uapi/linux/capability.h, in the order of the bits.
CAPABILITIES = (
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE "
    "NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO "
    "SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME "
    "SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG "
    "WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"
).split()


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    """Gives the calling thread new namespaces; a new PID namespace begins with its next child."""
    _check(_libc.unshare(flags), "unshare")


def setns(path: Path | str) -> None:
    """Moves the calling thread into the namespace that `path` stands for."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _check(_libc.setns(fd, 0), f"setns {path}")
    finally:
        os.close(fd)


def namespace_path(name: str) -> Path:
    """Where `ip netns` keeps the namespace of that name."""
    return Path("/run/netns") / name


@contextmanager
def in_network_of(path: Path | str) -> Iterator[None]:
    """Sockets that this thread makes inside the block belong to the network namespace at `path`."""
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        setns(path)
        yield
    finally:
        _check(_libc.setns(before, CLONE_NEWNET), "setns back")
        os.close(before)


def mount(source: str, target: Path | str, kind: str = "", flags: int = 0, data: str = "") -> None:
    """mount(2)."""
    args = (source.encode(), str(target).encode(), kind.encode() or None)
    _check(_libc.mount(*args, ctypes.c_ulong(flags), data.encode() or None), f"mount {target}")


def bind(source: Path | str, target: Path | str, read_only: bool) -> None:
    """Shows `source`, a file or folder, at `target`, which must exist."""
    mount(str(source), target, flags=MS_BIND | MS_REC)
    if read_only:
        # A bind mount takes its flags only in a second step (mount(2), "Creating a bind mount").
        mount("none", target, flags=MS_REMOUNT | MS_BIND | MS_RDONLY)


def keep_mounts_private() -> None:
    """What is mounted from here on is not seen outside of this mount namespace."""
    mount("none", "/", flags=MS_REC | MS_PRIVATE)


def pivot_root(new_root: Path) -> None:
    """Makes the mount at `new_root` the root, and lets go of the former one."""
    os.chdir(new_root)
    # Both arguments ".": pivot_root(2), "pivot_root(".", ".")".
    _check(_libc.syscall(_SYS_PIVOT_ROOT, b".", b"."), "pivot_root")
    _check(_libc.umount2(b".", MNT_DETACH), "umount of the old root")
    os.chdir("/")


def prctl(option: int, value: int) -> None:
    """prctl(2) with one argument."""
    _check(_libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0), f"prctl {option}")


def _mask(names: set[str]) -> int:
    return sum(1 << bit for bit, name in enumerate(CAPABILITIES) if name in names)


def limit_bounding_set(keep: set[str]) -> None:
    """No exec can ever bring back a capability that is not in `keep` (names without CAP_)."""
    mask = _mask(keep)
    for bit in range(int(_LAST_CAPABILITY.read_text()) + 1):
        if not mask >> bit & 1:
            prctl(PR_CAPBSET_DROP, bit)


def limit_capabilities(keep: set[str]) -> None:
    """Drops all capabilities but `keep` for good: from the bounding set and from our own."""
    limit_bounding_set(keep)
    low, high = _mask(keep) & 0xFFFFFFFF, _mask(keep) >> 32
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    # effective, permitted, inheritable; twice 32 bits.
    data = (ctypes.c_uint32 * 6)(low, low, 0, high, high, 0)
    _check(_libc.capset(header, data), "capset")
