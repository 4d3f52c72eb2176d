"""Who is forgotten stays forgotten: over crashes, restores and races, and nobody has more rights than their part."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from yoyaku.audit_log.adapters.object_store.archive import open_archive
from yoyaku.audit_log.adapters.object_store.tombstones import ArchivedTombstones
from yoyaku.audit_log.adapters.postgres.forgetting import PostgresForgetReports, PostgresKeyDestroyer
from yoyaku.audit_log.domain.data_subject import UnknownSubjectError, key_reference_of
from yoyaku.audit_log.usecases.forget import Forget, ForgetAgain, TombstonesAwayError
from yoyaku.audit_log.usecases.record_facts import RecordFacts
from yoyaku.messaging.outbox import Outbox
from yoyaku.postgres.pool import Pool, connected_pool
from yoyaku.testkit.databases import Database

pytestmark = pytest.mark.requirement("AU-06")

KEYS = "SELECT key_reference FROM audit_personal_key ORDER BY 1"
READ = "audit.log.read.v1"
BODY = b'{"entry_count":1,"filters":{"actor":"person/2"},"kind":"search","reader":"person/1"}'


@pytest_asyncio.fixture
async def keys(audit_database: Database) -> AsyncIterator[PostgresKeyDestroyer]:
    async with connected_pool(audit_database.as_role("keys"), application_name="test-keys") as pool:
        yield PostgresKeyDestroyer(pool)


@pytest.fixture
def tombstones(tmp_path: Path) -> ArchivedTombstones:
    return ArchivedTombstones(open_archive((tmp_path / "archive").as_uri()), "test")


async def test_a_restored_database_forgets_again(
    record: RecordFacts,
    fact: Callable[..., Any],
    pool: Pool,
    outbox: Outbox,
    keys: PostgresKeyDestroyer,
    tombstones: ArchivedTombstones,
    audit_database: Database,
) -> None:
    await record([fact(1, type=READ, body=BODY), fact(2, actor="person/2")])
    restored = await pool.fetchrow("SELECT * FROM audit_personal_key WHERE key_reference = 'person/1'")
    forget = Forget(tombstones, keys, PostgresForgetReports(pool, outbox))
    assert (await forget("person/1", "operator")).was_known
    assert not (await forget("person/1", "operator")).was_known  # repeating it is safe
    assert [row["key_reference"] for row in await pool.fetch(KEYS)] == ["person/2"]
    told = await pool.fetch("SELECT 1 FROM outbox_event WHERE type = 'audit.person.forgotten.v1'")
    assert len(told) == 2
    superuser = await asyncpg.connect(**audit_database.admin.connect_arguments("restore"))
    await superuser.execute("SET session_replication_role = replica")
    await superuser.execute("DELETE FROM audit_forgotten")
    await superuser.execute("INSERT INTO audit_personal_key SELECT ($1::audit_personal_key).*", restored)
    await superuser.close()
    assert await ForgetAgain(tombstones, keys)() == 1
    assert [row["key_reference"] for row in await pool.fetch(KEYS)] == ["person/2"]
    assert await ForgetAgain(tombstones, keys)() == 0


async def test_what_was_being_written_meanwhile_is_swept(
    record: RecordFacts, fact: Callable[..., Any], pool: Pool, keys: PostgresKeyDestroyer
) -> None:
    await record([fact(1)])
    await keys.destroy(["person/1"])
    await pool.execute("INSERT INTO audit_client VALUES ($1, 0, 'person/1')", bytes(16))
    await pool.execute("INSERT INTO audit_client VALUES ($1, 1, 'person/2')", bytes(16))
    assert await keys.sweep() == 1
    assert await pool.fetchval("SELECT key_reference FROM audit_client") == "person/2"


async def test_a_crash_anywhere_is_finished_by_the_next_term_or_by_repeating(
    record: RecordFacts,
    fact: Callable[..., Any],
    pool: Pool,
    outbox: Outbox,
    keys: PostgresKeyDestroyer,
    tombstones: ArchivedTombstones,
) -> None:
    class CrashError(Exception):
        pass

    class Crashing:
        async def told(self, *_: str) -> None:
            raise CrashError

        async def put(self, _: str) -> None:
            raise TombstonesAwayError

        async def missing_of(self, _: Any) -> Any:
            raise TombstonesAwayError

    await record([fact(1)])
    reports = PostgresForgetReports(pool, outbox)
    with pytest.raises(TombstonesAwayError):
        await Forget(Crashing(), keys, reports)("person/1", "operator")
    assert await pool.fetchval("SELECT count(*) FROM audit_personal_key") == 1  # not half forgotten
    await tombstones.put("person/1")  # crashed here
    assert await ForgetAgain(tombstones, keys)() == 1
    with pytest.raises(CrashError):
        await Forget(tombstones, keys, Crashing())("person/1", "operator")
    await Forget(tombstones, keys, reports)("person/1", "operator")
    assert await pool.fetchval("SELECT count(*) FROM outbox_event WHERE type = 'audit.person.forgotten.v1'") == 1


REFUSED = {
    "service": [
        "DELETE FROM audit_personal_key",
        "UPDATE audit_personal_key SET wrapped_key = ''",
        "DELETE FROM audit_client",
        "INSERT INTO audit_forgotten VALUES ('person/9', now())",
        "ALTER TABLE audit_entry DISABLE TRIGGER ALL",
        "SET session_replication_role = replica",
        "UPDATE audit_entry SET leaf = leaf",
    ],
    "keys": [
        "SELECT leaf FROM audit_entry",
        "UPDATE audit_entry SET actor = 'nobody'",
        "DELETE FROM audit_entry",
        "INSERT INTO audit_personal_key VALUES ('person/9', '', 'm', now())",
        "DELETE FROM audit_forgotten",
        "ALTER TABLE audit_personal_key DISABLE TRIGGER ALL",
        "SELECT * FROM audit_body",
    ],
    "sealer": [
        "DELETE FROM audit_personal_key",
        "SELECT wrapped_key FROM audit_personal_key",
        "ALTER TABLE audit_entry DISABLE TRIGGER ALL",
        "DELETE FROM audit_entry",
    ],
}


@pytest.mark.requirement("AU-03")
async def test_each_role_can_do_its_part_and_nothing_else(audit_database: Database) -> None:
    for role, statements in REFUSED.items():
        login = audit_database.service if role == "service" else audit_database.as_role(role)
        connection = await asyncpg.connect(**login.connect_arguments("test"))
        try:
            for statement in statements:
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(statement)
        finally:
            await connection.close()


def digest(address: str) -> bytes:
    return address.encode().ljust(16, b"0")[:16]


def test_whom_an_operator_means() -> None:
    assert key_reference_of("person/0198", digest) == "person/0198"
    assert key_reference_of("address/192.0.2.7", digest) == f"client/{digest('192.0.2.7').hex()}"
    assert key_reference_of(f"client/{'0' * 32}", digest) == f"client/{'0' * 32}"
    for text in (
        "person/",
        "person/a b",
        "room/1",
        "client/1",
        "address/",
        "address/no address",
        "",
        "person/" + "x" * 200,
    ):
        with pytest.raises(UnknownSubjectError):
            key_reference_of(text, digest)
