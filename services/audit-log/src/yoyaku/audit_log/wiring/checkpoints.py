"""The leader's signing of checkpoints."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Final

from loguru import logger

from yoyaku.audit_log import telemetry
from yoyaku.audit_log.usecases.sign_checkpoint import TreeContradictsCheckpointError
from yoyaku.audit_log.wiring.term import Term
from yoyaku.messaging.condition import Condition
from yoyaku.messaging.waiting import set_within
from yoyaku.postgres.errors import PostgresError

SIGN_EVERY_SECONDS: Final = 0.4
"""At most so long after an entry it is covered, and as long again under way: within the second that is promised."""
LOOK_EVERY_SECONDS: Final = 5.0
"""How often to look whether a checkpoint of the past is to be kept, while nothing is new."""
CONTRADICTED_SECONDS: Final = 30.0


async def sign_checkpoints(term: Term, stop: asyncio.Event) -> None:
    """Sign what was recorded, again and again; waits for the database. Raises LeadershipLostError."""
    database = Condition(away="checkpoints wait for the database", back="checkpoints have the database back")
    await _either(term.may_sign.wait(), stop)
    while not stop.is_set():
        pause_seconds = SIGN_EVERY_SECONDS
        try:
            if await term.sign() is not None:
                telemetry.checkpoints.add(1)
            database.is_back()
        except PostgresError as error:
            pause_seconds = database.is_away(str(error))
        except TreeContradictsCheckpointError as contradiction:
            logger.bind(epoch=contradiction.epoch, size=contradiction.signed_size).critical(
                f"no checkpoint is signed: {contradiction}"
            )
            pause_seconds = CONTRADICTED_SECONDS
        await set_within(stop, pause_seconds)
        await _either(term.tree.next_move(), stop, LOOK_EVERY_SECONDS)
    with suppress(PostgresError, TreeContradictsCheckpointError):
        if term.may_sign.is_set():
            await term.sign()  # what was recorded since, so that nobody waits for the next leader


async def _either(happens: Coroutine[Any, Any, object], stop: asyncio.Event, seconds: float | None = None) -> None:
    """Wait until something happens or `stop` is set, at most so long."""
    waiting = [asyncio.ensure_future(happens), asyncio.ensure_future(stop.wait())]
    try:
        await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in waiting:
            one.cancel()
