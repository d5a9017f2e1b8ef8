# SPDX-License-Identifier: Apache-2.0
"""Runs a command in namespaces of its own, so that nothing of it can outlive it.

    python -m testbed.sandbox [--interactive] COMMAND [ARG...]

The command and all it starts live in a new PID, mount, network and IPC namespace. Its first process is a small init;
when that ends, for whatever reason, the kernel kills every process of the namespace, and with the last of them go all
mounts and network namespaces. So there is no clean-up code that an interrupt, even SIGKILL, could skip, and two beds
cannot collide: each may use the same names and addresses.

    caller ── supervisor (forwards SIGINT, SIGTERM, SIGHUP) ── init (PID 1 inside) ── COMMAND
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from types import FrameType

from testbed import linux

SUPERVISOR = "NODEWAY_TESTBED_SUPERVISOR"
"""The variable that tells the command the supervisor's process id as the machine sees it."""

_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_NEW = linux.CLONE_NEWNS | linux.CLONE_NEWNET | linux.CLONE_NEWPID | linux.CLONE_NEWIPC


def _forward_signals_to(pid: int) -> None:
    def forward(number: int, _frame: FrameType | None) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

    for number in _FORWARDED:
        signal.signal(number, forward)


def _exit_code(wait_status: int) -> int:
    code = os.waitstatus_to_exitcode(wait_status)
    return 128 - code if code < 0 else code


def _prepare_mounts() -> None:
    linux.keep_mounts_private()
    linux.mount("proc", "/proc", "proc", linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC)
    # sysfs shows the network namespace it was mounted in; `ip` and the kernel's own view must agree.
    linux.mount("sysfs", "/sys", "sysfs", linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC)
    # Names of network namespaces, sockets, volumes, etcd's data: all of it goes with the namespace.
    linux.mount("tmpfs", "/run", "tmpfs", linux.MS_NOSUID, "mode=0755")


def _init(command: list[str], interactive: bool) -> int:
    """PID 1 inside: starts the command, reaps what becomes an orphan, ends with the command."""
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    if not interactive:
        os.setsid()  # a Ctrl-C of the terminal reaches only the supervisor, and so the command once
    _prepare_mounts()
    main = os.fork()
    if main == 0:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _FORWARDED)
        for number in (*_FORWARDED, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        os.execvp(command[0], command)
    _forward_signals_to(main)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _FORWARDED)
    while True:
        pid, status = os.wait()
        if pid == main:
            return _exit_code(status)


def run(command: list[str], interactive: bool) -> int:
    """Runs `command` in a sandbox; returns its exit code (128 + N if signal N ended it)."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _FORWARDED)
    os.environ[SUPERVISOR] = str(os.getpid())
    linux.unshare(_NEW)
    child = os.fork()
    if child == 0:
        os._exit(_init(command, interactive))
    if interactive:
        for number in _FORWARDED:
            signal.signal(number, signal.SIG_IGN)  # the shell inside has the terminal
    else:
        _forward_signals_to(child)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _FORWARDED)
    _, status = os.waitpid(child, 0)
    return _exit_code(status)


if __name__ == "__main__":
    _arguments = sys.argv[1:]
    _interactive = _arguments[:1] == ["--interactive"]
    sys.exit(run(_arguments[1:] if _interactive else _arguments, _interactive))
