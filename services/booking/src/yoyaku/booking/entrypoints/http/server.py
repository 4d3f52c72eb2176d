"""The gateway's processes: granian's parent, and workers that each run the whole application.

Invariant: SIGTERM to the parent drains every worker; a worker that died is replaced; workers never outlive the parent.
"""

import ctypes
import gc
import multiprocessing
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import Server
from starlette.types import ASGIApp

from yoyaku.booking.entrypoints.http.app import make_app
from yoyaku.booking.entrypoints.http.edge.draining import Draining, drained_on_sigterm
from yoyaku.booking.entrypoints.http.edge.listening import stalled_connections_ended
from yoyaku.booking.settings import SERVICE, GatewaySettings
from yoyaku.booking.wiring.gateway import Gateway, running_gateway
from yoyaku.booking.wiring.limits import shared_quotas
from yoyaku.lifecycle.configuration import load
from yoyaku.lifecycle.process import version_of
from yoyaku.observability.logs import LogSinks, logging_configured
from yoyaku.observability.setup import observed

_PR_SET_PDEATHSIG: Final = 1
_HEADER_BUFFER_BYTES: Final = 64 * 1024
_HEADER_SECONDS: Final = 10
_STALLED_SECONDS: Final = 10
_BACKLOG: Final = 2048
_LOGGING: Final[dict[str, Any]] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {},
    "handlers": {},
    "loggers": {"_granian": {"handlers": [], "propagate": True}},
}


def serve(settings: GatewaySettings) -> None:
    """Serve until SIGTERM or SIGINT, then drain and return. Raises SystemExit(1) when workers keep dying."""
    # Made before the workers are forked, so that they share it.
    shared_quotas(settings.rate_limit.slots)
    # Forked workers share what the parent has loaded; collecting would touch, and so copy, all of it.
    gc.collect()
    gc.freeze()
    with logging_configured(SERVICE, LogSinks(settings.observability.log_level)):
        Server(
            f"{__name__}:create",
            factory=True,
            address=settings.http_host,
            port=settings.http_port,
            interface=Interfaces.ASGI,
            workers=settings.workers,
            loop=Loops.uvloop,
            http=HTTPModes.http1,
            http1_settings=HTTP1Settings(
                header_read_timeout=_HEADER_SECONDS * 1000, max_buffer_size=_HEADER_BUFFER_BYTES
            ),
            websockets=False,
            backlog=_BACKLOG,
            backpressure=_BACKLOG,
            respawn_failed_workers=True,
            respawn_interval=0.1,
            workers_kill_timeout=settings.drain_seconds,
            log_level=LogLevels.warning,
            log_dictconfig=_LOGGING,
        ).serve()


def create() -> ASGIApp:
    """Return the application of one worker, configured by the environment."""
    _end_with_parent()
    settings = load(GatewaySettings)

    draining = Draining()
    leave = partial(signal.raise_signal, signal.SIGTERM)

    @asynccontextmanager
    async def running() -> AsyncIterator[Gateway]:
        with observed(SERVICE, version=version_of(SERVICE), settings=settings.observability):
            async with (
                running_gateway(settings, end_process=leave) as gateway,
                stalled_connections_ended(_STALLED_SECONDS),
            ):
                grace = settings.drain_grace_seconds
                with drained_on_sigterm(draining, gateway.health.drain, grace_seconds=grace):
                    yield gateway

    return make_app(running, settings=settings, draining=draining)


def _end_with_parent() -> None:
    """Ask the kernel for SIGTERM when the parent dies, also by SIGKILL; leave at once when it is dead already."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    parent = multiprocessing.parent_process()
    if parent is not None and parent.pid != os.getppid():
        os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    """Run the gateway from the environment."""
    serve(load(GatewaySettings))


if __name__ == "__main__":
    main()
