"""Signing keys where fakes cannot follow: gateways that start together, and secrets that are forgotten."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from yoyaku.booking.adapters.jwt.sealing import Seal
from yoyaku.booking.adapters.postgres.signing_keys import forget_secrets, read_all_keys, read_keys_in_use
from yoyaku.booking.adapters.postgres.transactions import PostgresTransactions
from yoyaku.booking.domain.signing_key import LEAD, SLACK, TOKEN_LIFETIME
from yoyaku.booking.usecases.revoke_key import RevokeKey
from yoyaku.booking.usecases.rotate_keys import RotateKeys
from yoyaku.messaging.ids import new_event_id
from yoyaku.messaging.outbox import Outbox
from yoyaku.postgres.pool import connected_pool
from yoyaku.testkit.clock import SetClock
from yoyaku.testkit.databases import Database

_SECRETS = "SELECT key_id FROM signing_key WHERE sealed_private_key IS NOT NULL"


@pytest.mark.requirement("ID-08")
async def test_one_first_key_whoever_starts_and_no_secret_longer_than_needed(
    database: Callable[..., Awaitable[Database]], clock: SetClock
) -> None:
    made = await database("yoyaku.booking")
    seal = Seal(b"k" * 32)
    async with connected_pool(made.service, application_name="tests") as pool:
        outbox = Outbox(service="booking", new_id=new_event_id, now=clock)
        transactions = PostgresTransactions(pool, outbox, keep_answers_for=timedelta(hours=1))
        rotate = RotateKeys(transactions, seal.make_pair, clock)

        async def with_secret() -> set[str]:
            return {row["key_id"] for row in await pool.fetch(_SECRETS)}

        [first] = [key for key in await asyncio.gather(*(rotate.make_first() for _ in range(4))) if key is not None]
        [stored] = await read_keys_in_use(pool, clock())
        assert stored.key == first
        assert stored.sealed_private_key is not None
        assert seal.open(first.key_id, stored.sealed_private_key).public_key().public_bytes_raw() == first.public_key

        # Keys are told apart by their age.
        clock.advance(seconds=1)
        second = await rotate()
        clock.advance(seconds=(LEAD + TOKEN_LIFETIME + SLACK).total_seconds() - 1)
        await forget_secrets(pool, clock())
        assert await with_secret() == {first.key_id, second.key_id}
        clock.advance(seconds=1)
        await forget_secrets(pool, clock())
        assert await with_secret() == {second.key_id}
        assert [stored.key for stored in await read_keys_in_use(pool, clock())] == [second]

        third = await RevokeKey(transactions, seal.make_pair, clock)(second.key_id, replace=True)
        assert third is not None
        assert await with_secret() == {third.key_id}
        assert [stored.key for stored in await read_keys_in_use(pool, clock())] == [third]
        assert [key.key_id for key in await read_all_keys(pool)] == [first.key_id, second.key_id, third.key_id]
