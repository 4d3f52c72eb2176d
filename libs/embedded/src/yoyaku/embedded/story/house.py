"""The running system as the story sees it: a thin cover over `yoyaku.embedded.system`."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from yoyaku.embedded.launch import launch
from yoyaku.embedded.story.facts import ChapterBrokenError
from yoyaku.embedded.system import System

COMMAND_SECONDS = 60.0
BACKUP_COORDINATOR = "backup-coordinator"


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

    async def take_backup(self) -> str:
        """Run `yoyaku backup now`; return what it printed. Raises ChapterBrokenError when it failed."""
        return await self._command(["backup", "now"], self._system.environment_of(BACKUP_COORDINATOR))

    async def _command(self, arguments: Sequence[str], environment: dict[str, str]) -> str:
        program = Path(sys.executable).with_name("yoyaku")
        process = launch([program, *arguments], env=environment, output=subprocess.PIPE, death_signal=signal.SIGKILL)
        try:
            out, err = await asyncio.to_thread(process.communicate, timeout=COMMAND_SECONDS)
        except (subprocess.TimeoutExpired, asyncio.CancelledError):
            process.kill()
            raise
        if process.returncode != 0:
            words = (out + err).decode(errors="replace")[-400:]
            raise ChapterBrokenError(f"yoyaku {' '.join(arguments)} ended with {process.returncode}: {words}")
        return out.decode(errors="replace")
