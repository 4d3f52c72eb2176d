"""Personal values in the log: sealed, opened, known again, forgotten."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from yoyaku.audit_log.adapters.personal_keys import MasterKey, SubjectKeys
from yoyaku.audit_log.adapters.postgres.log import PostgresLog
from yoyaku.audit_log.adapters.postgres.personal_keys import (
    LOCK_NAME,
    PostgresPersonalKeys,
    PostgresUnsealer,
    check_master_key,
)
from yoyaku.audit_log.domain.fact import Fact
from yoyaku.audit_log.domain.leaf import Leaf, MalformedLeafError, StoredEvent
from yoyaku.audit_log.usecases.key_ports import KeyUnusableError
from yoyaku.audit_log.usecases.record_facts import RecordFacts
from yoyaku.postgres.pool import Pool
from yoyaku.testkit.databases import Database

MakeFact = Callable[..., Fact]
READ = "audit.log.read.v1"
BODY = b'{"entry_count":1,"filters":{"actor":"person/2"},"kind":"search","reader":"person/1"}'


async def stored(pool: Pool, keys: SubjectKeys, position: int = 0) -> StoredEvent:
    """Read an entry as readers do."""
    leaf = Leaf(await pool.fetchval("SELECT leaf FROM audit_entry WHERE position = $1", position))
    return leaf.event(await PostgresUnsealer(pool, keys).opener({f.key_reference for f in leaf.sealed_fields}))


@pytest_asyncio.fixture
async def forget(audit_database: Database) -> Callable[[str], Awaitable[None]]:
    """Forgets as the key role does."""

    async def forget(reference: str) -> None:
        connection = await asyncpg.connect(**audit_database.as_role("keys").connect_arguments("test"))
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", LOCK_NAME)
            await connection.execute("INSERT INTO audit_forgotten VALUES ($1, now())", reference)
            await connection.execute("DELETE FROM audit_personal_key WHERE key_reference = $1", reference)
            await connection.execute("DELETE FROM audit_client WHERE key_reference = $1", reference)
        await connection.close()

    return forget


@pytest.mark.requirement("AU-06")
async def test_personal_values_are_sealed_and_open_for_readers(
    record: RecordFacts, fact: MakeFact, pool: Pool, subject_keys: SubjectKeys
) -> None:
    one = fact(1, type=READ, body=BODY, client_address="192.0.2.7")
    await record([one, fact(2, actor="anonymous", client_address="192.0.2.8")])
    leaf = await pool.fetchval("SELECT leaf FROM audit_entry WHERE position = 0")
    assert b"192.0.2" not in leaf
    assert b"person/2" not in leaf
    found = await stored(pool, subject_keys)
    assert (found.body, found.client_address, found.forgotten) == (BODY, "192.0.2.7", ())
    assert (await stored(pool, subject_keys, 1)).client_address == "192.0.2.8"
    clients = await pool.fetch("SELECT position, key_reference FROM audit_client ORDER BY position")
    assert clients[0]["key_reference"] == "person/1"
    assert clients[1]["key_reference"].startswith("client/")
    assert await pool.fetchval("SELECT count(*) FROM audit_personal_key") == 2


@pytest.mark.requirement("AU-01", "AU-06")
async def test_a_personal_fact_is_known_again_and_a_forged_one_contradicts(
    record: RecordFacts, fact: MakeFact, pool: Pool, subject_keys: SubjectKeys
) -> None:
    one = fact(1, type=READ, body=BODY)
    forged = fact(1, type=READ, body=BODY.replace(b"person/2", b"person/3"))
    await record([one])
    assert (await record([one])).repeated == 1
    assert (await record([forged, fact(2), fact(2, client_address="192.0.2.1")])).contradicting == 2
    assert (await record([forged])).contradicting == 1
    rows = await pool.fetch("SELECT fact_digest FROM audit_recorded")
    assert one.fact_sha256 not in [row["fact_digest"] for row in rows]
    told = await pool.fetch("SELECT convert_from(body, 'UTF8') AS body FROM outbox_event")
    assert len(told) == 2
    for plain in (one, forged, fact(2)):
        assert not [row for row in told if plain.fact_sha256.hex() in row["body"]]
    evidence = await pool.fetchrow("SELECT key_reference, body FROM audit_contradiction WHERE number = 1")
    assert evidence is not None
    assert (evidence["key_reference"], b"person" in evidence["body"]) == ("person/1", False)
    async with pool.acquire() as connection:
        keyring = await PostgresPersonalKeys(connection, subject_keys).keyring([], ["person/1"])
    assert keyring.open_evidence(("person/1",), evidence["body"]) == forged.body


@pytest.mark.requirement("AU-06")
async def test_who_was_forgotten_stays_forgotten(
    record: RecordFacts, fact: MakeFact, pool: Pool, subject_keys: SubjectKeys, forget: Callable[[str], Awaitable[None]]
) -> None:
    one = fact(1, type=READ, body=BODY)
    await record([one])
    await forget("person/1")
    found = await stored(pool, subject_keys)
    assert (found.client_address, found.forgotten) == (None, ("/body/filters", "/client_address"))
    assert found.actor == "person/1"
    assert (await record([one])).repeated == 1
    assert (await record([fact(1, event_id="another")])).contradicting == 1
    await record([fact(2, type=READ, body=BODY)])
    later = await pool.fetchval("SELECT leaf FROM audit_entry WHERE position = 1")
    assert b'"client_address":{"forgotten":true,"key":"person/1"}' in later
    assert (await stored(pool, subject_keys, 1)).forgotten == ("/body/filters", "/client_address")
    assert await pool.fetchval("SELECT count(*) FROM audit_personal_key WHERE key_reference = 'person/1'") == 0
    assert await pool.fetchval("SELECT count(*) FROM audit_client") == 0
    assert await pool.fetchval("SELECT body FROM audit_contradiction") == b""


@pytest.mark.requirement("AU-06")
async def test_a_key_that_is_being_made_is_not_overlooked_by_who_forgets(
    log: PostgresLog, pool: Pool, forget: Callable[[str], Awaitable[None]]
) -> None:
    async with log.transaction() as transaction:
        await transaction.keys.keyring(["person/1"], [])
        forgetting = asyncio.create_task(forget("person/1"))
        await asyncio.sleep(0.2)
        assert not forgetting.done()
    await forgetting
    assert await pool.fetchval("SELECT count(*) FROM audit_personal_key") == 0
    async with log.transaction() as transaction:
        assert not (await transaction.keys.keyring(["person/1"], [])).has(["person/1"])


@pytest.mark.requirement("AU-06")
async def test_a_sealed_value_opens_in_its_own_place_only(
    record: RecordFacts, fact: MakeFact, pool: Pool, subject_keys: SubjectKeys
) -> None:
    await record([fact(1), fact(2)])
    leaves = [row["leaf"] for row in await pool.fetch("SELECT leaf FROM audit_entry ORDER BY position")]
    first, second = Leaf(leaves[0]), Leaf(leaves[1])
    second.members["client_address"] = first.members["client_address"]
    open_field = await PostgresUnsealer(pool, subject_keys).opener(["person/1"])
    assert first.event(open_field).client_address == "127.0.0.1"
    with pytest.raises(MalformedLeafError):
        second.event(open_field)


@pytest.mark.requirement("AU-06")
async def test_another_master_key_is_noticed(record: RecordFacts, fact: MakeFact, pool: Pool) -> None:
    other = SubjectKeys(MasterKey(b"x" * 32), bytes)
    await check_master_key(pool, other.master)
    await record([fact(1)])
    with pytest.raises(KeyUnusableError, match="person/1"):
        await check_master_key(pool, other.master)
    with pytest.raises(KeyUnusableError, match="AUDIT_LOG_MASTER_KEY_FILE"):
        await PostgresUnsealer(pool, other).opener(["person/1"])


@pytest.mark.requirement("AU-01", "AU-06")
async def test_one_key_that_cannot_be_used_stops_nobody(
    record: RecordFacts, fact: MakeFact, pool: Pool, audit_database: Database, subject_keys: SubjectKeys
) -> None:
    await record([fact(1), fact(2, actor="person/2")])
    admin = await asyncpg.connect(**audit_database.admin.connect_arguments("test"))
    await admin.execute(
        "UPDATE audit_personal_key SET master_key_id = 'other', wrapped_key = $1 WHERE key_reference = 'person/1'",
        SubjectKeys(MasterKey(b"x" * 32), bytes).make(),
    )
    await check_master_key(pool, subject_keys.master)
    repeated = await record([fact(1)])
    assert (repeated.repeated, repeated.contradicting) == (1, 0)
    assert len((await record([fact(3), fact(4, actor="person/2")])).placed) == 2
    leaves = [row["leaf"] for row in await pool.fetch("SELECT leaf FROM audit_entry ORDER BY position")]
    assert b'"client_address":{"forgotten":true,"key":"person/1"}' in leaves[2]
    assert (await stored(pool, subject_keys, 3)).client_address == "127.0.0.1"
    # What a column says is no proof: the key itself is.
    await admin.execute("UPDATE audit_personal_key SET master_key_id = 'other'")
    await admin.close()
    await check_master_key(pool, subject_keys.master)


def test_unwrapped_keys_leave_memory(subject_keys: SubjectKeys) -> None:
    now = [0.0]
    keys = SubjectKeys(subject_keys.master, subject_keys.random_bytes, lambda: now[0])
    wrapped = keys.make()
    first: Any = keys.unwrapped({"person/1": wrapped})["person/1"]
    assert keys.unwrapped({"person/1": wrapped})["person/1"] is first
    now[0] = 1000.0
    assert keys.unwrapped({"person/1": wrapped})["person/1"] is not first
    again = keys.unwrapped({"person/1": wrapped})["person/1"]
    keys.forget("person/1")
    assert keys.unwrapped({"person/1": wrapped})["person/1"] is not again
