# SPDX-License-Identifier: Apache-2.0
"""What a container runtime does between fork and exec: `python -m testbed.container_init SPEC CONTROL_FD`.

Stays as the parent of the container's first process and ends with its exit code (128 + N after signal N), as a shim of
containerd does. Tells its own caller through CONTROL_FD: a line {"pid": N}, then {"error": "..."} if the program could
not be started. Standard library only.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from testbed import linux

_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_ETC_OF_THE_MACHINE = ("ld.so.cache", "alternatives", "ssl", "mime.types")


def _show(source: Path, target: Path, read_only: bool) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        target.mkdir(exist_ok=True)
    else:
        target.touch()
    linux.bind(source, target, read_only)


def _make_programs(root: Path, spec: dict[str, Any]) -> None:
    _show(Path("/usr"), root / "usr", read_only=True)
    for name in ("bin", "sbin", "lib", "lib32", "lib64"):
        if os.path.islink(f"/{name}"):
            (root / name).symlink_to(os.readlink(f"/{name}"))
    # Hides what the machine has there: an image brings its own.
    linux.mount("tmpfs", root / "usr/local/bin", "tmpfs", linux.MS_NODEV, "mode=0755")
    for name, path in spec["files"].items():
        _show(Path(path), root / "usr/local/bin" / name, read_only=True)


def _make_etc(root: Path, spec: dict[str, Any]) -> None:
    etc = root / "etc"
    etc.mkdir()
    for name in _ETC_OF_THE_MACHINE:
        if Path("/etc", name).exists():
            _show(Path("/etc", name), etc / name, read_only=True)
    (etc / "passwd").write_text("root:x:0:0::/root:/bin/sh\nnonroot:x:65532:65532::/:/bin/sh\n")
    (etc / "group").write_text("root:x:0:\nnonroot:x:65532:\n")
    (etc / "nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files dns\n")
    (etc / "resolv.conf").write_text(f"nameserver {spec['nameserver']}\n")
    (etc / "hostname").write_text(f"{spec['hostname']}\n")
    (etc / "hosts").write_text(f"127.0.0.1 localhost\n{spec['address']} {spec['hostname']}\n")


def _make_devices(root: Path) -> None:
    dev = root / "dev"
    dev.mkdir()
    linux.mount("tmpfs", dev, "tmpfs", linux.MS_NOSUID, "mode=0755")
    for name in _DEVICES:
        _show(Path("/dev", name), dev / name, read_only=False)
    (dev / "shm").mkdir()
    (dev / "shm").chmod(0o1777)
    (dev / "fd").symlink_to("/proc/self/fd")
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        (dev / name).symlink_to(f"/proc/self/fd/{number}")


def _make_root(spec: dict[str, Any]) -> None:
    """Builds the container's own file system and moves into it."""
    linux.keep_mounts_private()
    root = Path(spec["root"])
    root.mkdir(parents=True, exist_ok=True)
    linux.mount("tmpfs", root, "tmpfs", linux.MS_NODEV, "mode=0755")
    _make_programs(root, spec)
    _make_etc(root, spec)
    _make_devices(root)
    for name in ("tmp", "proc", "sys", "run", "root", "var"):
        (root / name).mkdir(exist_ok=True)
    (root / "tmp").chmod(0o1777)
    harmless = linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC
    linux.mount("proc", root / "proc", "proc", harmless)
    linux.mount("sysfs", root / "sys", "sysfs", harmless | linux.MS_RDONLY)
    for volume in spec["mounts"]:
        _show(Path(volume["source"]), root / volume["target"].lstrip("/"), volume["read_only"])
    linux.pivot_root(root)
    if spec["read_only_root"]:
        linux.mount("none", "/", flags=linux.MS_REMOUNT | linux.MS_BIND | linux.MS_RDONLY)
        local = "/usr/local/bin"
        linux.mount("none", local, flags=linux.MS_REMOUNT | linux.MS_BIND | linux.MS_RDONLY)


def _become_user(spec: dict[str, Any]) -> None:
    keep = set(spec["capabilities"])
    linux.limit_bounding_set(keep)  # needs CAP_SETPCAP, so it comes first
    os.setgroups(spec["groups"])
    os.setresgid(spec["gid"], spec["gid"], spec["gid"])
    if spec["uid"] == 0:
        linux.limit_capabilities(keep)
    else:
        os.setresuid(spec["uid"], spec["uid"], spec["uid"])  # the kernel clears them all


def _enter(spec: dict[str, Any], control: int) -> None:
    """In the container's first process: becomes the program. Returns only by an exception."""
    os.setsid()
    if not spec["host_network"]:
        socket.sethostname(spec["hostname"])
    _make_root(spec)
    os.umask(0o022)
    _become_user(spec)
    if spec["no_new_privileges"]:
        linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)  # Python ignores them, and exec would pass that on
    os.chdir(spec["directory"])
    os.set_inheritable(control, False)
    os.execvpe(spec["argv"][0], spec["argv"], spec["env"])


def _tell(control: int, message: dict[str, Any]) -> None:
    os.write(control, json.dumps(message).encode() + b"\n")


def main(spec_path: str, control: int) -> int:
    """Starts the container and waits for its end."""
    spec = json.loads(Path(spec_path).read_text())
    linux.setns(spec["network_namespace"])
    linux.unshare(
        linux.CLONE_NEWNS
        | linux.CLONE_NEWPID
        | linux.CLONE_NEWIPC
        | (0 if spec["host_network"] else linux.CLONE_NEWUTS)
    )
    os.set_inheritable(control, False)
    child = os.fork()
    if child == 0:
        try:
            _enter(spec, control)
        except BaseException as error:  # whatever it is, it must reach the kubelet
            _tell(control, {"error": f"{type(error).__name__}: {error}"})
        os._exit(128)
    _tell(control, {"pid": child})
    os.close(control)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return 128 - code if code < 0 else code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
