"""Runs the audit log: `python -m yoyaku.audit_log`, or `... migrate` to bring its database to the state it needs."""

import asyncio
import runpy
import signal
import sys
from importlib.metadata import version
from typing import Final

import uvloop

from yoyaku.audit_log.entrypoints.sequencer import SERVICE
from yoyaku.audit_log.settings import AuditLogSettings
from yoyaku.audit_log.wiring import run
from yoyaku.observability.setup import observed

MIGRATE: Final = "yoyaku.audit_log.entrypoints.migrate"
USAGE: Final = """usage: python -m yoyaku.audit_log [migrate]

Without an argument: records every event, until SIGTERM or SIGINT.
migrate: brings the database to the state this version needs, as its owner role.
Settings come from AUDIT_LOG_... in the environment; settings.py of the service names them all."""


async def _until_told_to_stop(settings: AuditLogSettings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await run(settings, stop)


def serve() -> None:
    """Run the service until SIGTERM or SIGINT."""
    settings = AuditLogSettings()
    with (
        observed(SERVICE, version=version("yoyaku-audit-log"), settings=settings.observability),
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(_until_told_to_stop(settings))


def main(arguments: list[str]) -> None:
    """Do what the arguments say."""
    if not arguments:
        serve()
    elif arguments == ["migrate"]:
        runpy.run_module(MIGRATE, run_name="__main__")
    elif arguments in (["--help"], ["-h"]):
        sys.stdout.write(f"{USAGE}\n")
    else:
        sys.exit(USAGE)


if __name__ == "__main__":
    main(sys.argv[1:])
