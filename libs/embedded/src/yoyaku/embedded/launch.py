"""Starts a child process that cannot outlive the process that started it.

Invariants: each child leads a session and process group of its own (a Ctrl-C on the terminal reaches the parent
alone, and the whole group can be ended), and on Linux the kernel sends it `death_signal` when its parent dies,
kill -9 included. The kernel ties that signal to the *thread* that started the child, so `launch` belongs on a
thread that lives as long as the child should: the main thread, never a pool's worker.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import psutil

PR_SET_PDEATHSIG = 1
LINUX = sys.platform.startswith("linux")
_LIBC: Any = ctypes.CDLL(None, use_errno=True) if LINUX else None


@dataclass(frozen=True, slots=True)
class Account:
    """A user of the operating system that a child runs as, without any of the groups of the parent."""

    name: str
    uid: int
    gid: int


def _die_with_parent(death_signal: int, parent_pid: int) -> Callable[[], None]:
    def before_exec() -> None:
        _LIBC.prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
        if os.getppid() != parent_pid:
            os._exit(1)

    return before_exec


def launch(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    output: int | IO[bytes] = subprocess.DEVNULL,
    cwd: Path | None = None,
    account: Account | None = None,
    death_signal: int = signal.SIGTERM,
) -> "subprocess.Popen[bytes]":
    """Start `command` with exactly `env`, both outputs to `output`, as `account` when one is given.

    Raises OSError when the program cannot be started.
    """
    as_account: dict[str, Any] = {} if account is None else {"user": account.uid, "group": account.gid}
    if account is not None:
        as_account["extra_groups"] = []
    before_exec = _die_with_parent(death_signal, os.getpid()) if LINUX else None
    return subprocess.Popen(
        [str(part) for part in command],
        env=dict(env),
        cwd=cwd or ("/" if account else None),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
        preexec_fn=before_exec,  # noqa: PLW1509 -- one system call, set after the change of user, which clears it
        **as_account,
    )


def kill_tree(process: "subprocess.Popen[bytes]", *, wait_seconds: float = 10) -> None:
    """Kill the process, its group and every descendant at once, as a machine losing power would, and reap it."""
    try:
        root = psutil.Process(process.pid)
        victims = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        victims = []
    kill_group(process.pid)
    for victim in victims:
        try:
            victim.kill()
        except psutil.NoSuchProcess:
            continue
    process.wait(wait_seconds)
    deadline = time.monotonic() + wait_seconds
    while any(_runs(victim) for victim in victims) and time.monotonic() < deadline:
        time.sleep(0.01)


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def kill_group(leader_pid: int) -> None:
    """Kill what is left of the process group `leader_pid` leads; nothing happens when it is gone."""
    try:
        os.killpg(leader_pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def stop(process: "subprocess.Popen[bytes]", stop_signal: int, *, wait_seconds: float) -> int:
    """Send `stop_signal`, wait, and kill the whole tree when `wait_seconds` were not enough; the exit code."""
    if process.poll() is None:
        process.send_signal(stop_signal)
        try:
            process.wait(wait_seconds)
        except subprocess.TimeoutExpired:
            kill_tree(process)
    kill_group(process.pid)
    return process.wait()
