"""The running system as the story sees it: a thin cover over `yoyaku.embedded.system`."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import asyncpg

from yoyaku.embedded.launch import launch
from yoyaku.embedded.story.facts import ChapterBrokenError
from yoyaku.embedded.system import System

COMMAND_SECONDS = 120.0
_OUTSIDE = ("PATH", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV")


class EmbeddedHouse:
    """A system that this process started."""

    def __init__(self, system: System) -> None:
        if system.telemetry_url is None:
            raise ValueError("the story draws traces and needs the telemetry store")
        self._system = system
        self.gateway_url = system.gateway_url
        self.telemetry_url: str = system.telemetry_url
        self.data: Path = system.data_dir

    def pid(self, process: str) -> int | None:
        """Return the id of the running process of this name."""
        return self._system.supervisor.processes[process].pid

    def kill(self, process: str) -> int:
        """Send kill -9 to the process of this name; return the id it had."""
        return self._system.kill(process)

    async def operate(self, *arguments: str) -> str:
        """Run a `yoyaku` command on this system's data folder; return what it printed on both outputs.

        Raises ChapterBrokenError when it failed or took too long.
        """
        return await _typed_in([*arguments, "--data", str(self.data)], os.environ)

    async def operate_service(self, process: str, *arguments: str) -> str:
        """Run a `yoyaku` command with the settings of a process of this system; return what it printed.

        Raises ChapterBrokenError when it failed or took too long.
        """
        return await _typed_in(arguments, self._system.environment_of(process))

    async def outside(self, *arguments: str) -> tuple[int, str]:
        """Run a `yoyaku` command as somebody elsewhere would: without this system's folder, settings or secrets.

        Returns the exit code and what it printed.
        """
        bare = {name: value for name, value in os.environ.items() if name in _OUTSIDE}
        return await _run(arguments, bare)

    async def as_superuser(self, database: str, statement: str, *values: object) -> Any:
        """Run a statement as the superuser of PostgreSQL, triggers switched off; return the first value, if any."""
        admin = self._system.postgres.admin_settings.model_copy(update={"database": database})
        connection = await asyncpg.connect(**admin.connect_arguments("yoyaku-demo"))
        try:
            await connection.execute("SET session_replication_role = replica")
            return await connection.fetchval(statement, *values)
        finally:
            await connection.close()


async def _typed_in(arguments: Sequence[str], environment: Mapping[str, str]) -> str:
    code, words = await _run(arguments, environment)
    if code != 0:
        raise ChapterBrokenError(f"{_typed(arguments)} ended with {code}: {words[-400:]}")
    return words


async def _run(arguments: Sequence[str], environment: Mapping[str, str]) -> tuple[int, str]:
    program = Path(sys.executable).with_name("yoyaku")
    process = launch([program, *arguments], env=environment, output=subprocess.PIPE, death_signal=signal.SIGKILL)
    try:
        out, err = await asyncio.to_thread(process.communicate, timeout=COMMAND_SECONDS)
    except subprocess.TimeoutExpired:
        raise ChapterBrokenError(f"{_typed(arguments)} did not end within {COMMAND_SECONDS:.0f} s") from None
    finally:
        if process.poll() is None:
            process.kill()
    return process.returncode, (out + err).decode(errors="replace").strip()


def _typed(arguments: Sequence[str]) -> str:
    return " ".join(["yoyaku", *arguments])
