"""Runs the detector: `python -m yoyaku.security_detector`, or `... migrate` to bring its database up to date."""

import asyncio
import runpy
import signal
import sys
from importlib.metadata import version
from typing import Final

import uvloop

from yoyaku.observability.setup import observed
from yoyaku.security_detector.entrypoints.detector import SERVICE
from yoyaku.security_detector.settings import SecurityDetectorSettings
from yoyaku.security_detector.wiring import run

MIGRATE: Final = "yoyaku.security_detector.entrypoints.migrate"
USAGE: Final = """usage: python -m yoyaku.security_detector [migrate]

Without an argument: judges sign-ins and imposes blocks, until SIGTERM or SIGINT.
migrate: brings the database to the state this version needs, as its owner role.
Settings come from SECURITY_DETECTOR_... in the environment; settings.py of the service names them all."""


async def _until_told_to_stop(settings: SecurityDetectorSettings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await run(settings, stop)


def serve() -> None:
    """Run the service until SIGTERM or SIGINT."""
    settings = SecurityDetectorSettings()
    with (
        observed(SERVICE, version=version("yoyaku-security-detector"), settings=settings.observability),
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
