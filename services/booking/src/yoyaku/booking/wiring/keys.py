"""The signing keys: as the gateway follows them, and as the commands change them."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from loguru import logger

from yoyaku.booking.adapters.jwt.key_ring import KeyRing
from yoyaku.booking.adapters.jwt.sealing import Seal
from yoyaku.booking.adapters.postgres.signing_keys import read_all_keys, read_keys_in_use
from yoyaku.booking.adapters.postgres.transactions import PostgresTransactions
from yoyaku.booking.domain.signing_key import SigningKey
from yoyaku.booking.settings import PACKAGE, DatabaseSettings, KeySettings
from yoyaku.booking.usecases.ports.signing_keys import StoredKey
from yoyaku.booking.usecases.revoke_key import RevokeKey
from yoyaku.booking.usecases.rotate_keys import RotateKeys
from yoyaku.booking.wiring.outbox import make_outbox
from yoyaku.booking.wiring.parts import Parts
from yoyaku.booking.wiring.secrets import read_key
from yoyaku.lifecycle.process import utc_now
from yoyaku.lifecycle.work import in_background
from yoyaku.postgres.migrations import check_head
from yoyaku.postgres.pool import connected_pool


@asynccontextmanager
async def running_keys(parts: Parts, seal: Seal, *, end_process: Callable[[], None]) -> AsyncIterator[KeyRing]:
    """Yield the keys, followed; the first one is made when there is none that can sign.

    Raises PostgresError, and SealBrokenError when none of the keys that could sign opens.
    """
    made = await RotateKeys(parts.transactions, seal.make_pair, parts.now).make_first()
    if made is not None:
        logger.bind(key_id=made.key_id).info("made the first signing key")

    async def read() -> list[StoredKey]:
        return await read_keys_in_use(parts.pool, parts.now())

    async with KeyRing(read, seal, now=parts.now) as keys:
        keys.signer()
        async with in_background("signing keys", keys.follow(), end=end_process):
            yield keys


@dataclass(frozen=True, slots=True)
class KeyCommands:
    """What the machine's operator may do with the keys."""

    rotate: RotateKeys
    revoke: RevokeKey


@asynccontextmanager
async def key_commands(settings: KeySettings) -> AsyncIterator[KeyCommands]:
    """Yield what changes the keys; events wait for the worker."""
    seal = Seal(read_key(settings.key_encryption_key_file))
    async with connected_pool(settings.database, application_name="booking-command") as pool:
        await check_head(pool, PACKAGE)
        transactions = PostgresTransactions(pool, make_outbox(), keep_answers_for=timedelta(hours=1))
        yield KeyCommands(
            rotate=RotateKeys(transactions, seal.make_pair, utc_now),
            revoke=RevokeKey(transactions, seal.make_pair, utc_now),
        )


async def stored_keys(settings: DatabaseSettings) -> tuple[list[SigningKey], datetime]:
    """Return every key there ever was, oldest first, and the time they were read at."""
    async with connected_pool(settings.database, application_name="booking-command") as pool:
        await check_head(pool, PACKAGE)
        return await read_all_keys(pool), utc_now()
