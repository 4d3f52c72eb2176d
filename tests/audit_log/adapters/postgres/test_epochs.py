"""A database that is put back to an older state goes on in a new tree, which says what was abandoned."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest

from yoyaku.audit_log.adapters.postgres.epochs import PostgresEpochs, SignedInDatabase
from yoyaku.audit_log.adapters.postgres.log import PostgresLog
from yoyaku.audit_log.adapters.postgres.tree import PostgresTree
from yoyaku.audit_log.domain.epochs import Divergence, KnownCheckpoint
from yoyaku.audit_log.usecases.reconcile import CheckpointSource, Reconcile, Reconciliation, SourceAwayError
from yoyaku.audit_log.usecases.record_facts import RecordFacts
from yoyaku.contracts.audit_v1 import EpochOpened, IntegrityViolated
from yoyaku.contracts.registry import decode
from yoyaku.messaging.leadership import Lease
from yoyaku.messaging.outbox import Outbox
from yoyaku.postgres.pool import Pool, connected_pool
from yoyaku.postgres.settings import PostgresSettings
from yoyaku.testkit.databases import Database
from yoyaku.tlog.checkpoint import Checkpoint
from yoyaku.tlog.errors import MalformedTileError
from yoyaku.tlog.keys import SigningKey, VerifierKey
from yoyaku.tlog.merkle import EMPTY_ROOT, Frontier, leaf_hash
from yoyaku.tlog.note import parse_note

pytestmark = pytest.mark.requirement("AU-02")

Begun = Callable[[PostgresLog], Awaitable[RecordFacts]]
FactOf = Callable[..., Any]


@dataclass
class Outside:
    """Somebody who keeps checkpoints, by epoch."""

    known: dict[int, KnownCheckpoint]
    name: str = "the witness"
    is_away: bool = False
    is_awaited: bool = True

    async def newest(self, origin: str, size: int) -> KnownCheckpoint | None:
        if self.is_away:
            raise SourceAwayError("nobody answers")
        return self.known.get(int(origin.rpartition("/")[2]))


def checkpoint(size: int, root: bytes, epoch: int = 1) -> KnownCheckpoint:
    key = SigningKey(f"audit.yoyaku/test/{epoch}", b"\x01" * 32)
    note = Checkpoint(key.name, size, root).sign([key]).encode().decode()
    return KnownCheckpoint(epoch, size, root, note, "the witness")


def log_keys(origin: str) -> Sequence[VerifierKey]:
    return [SigningKey(origin, b"\x01" * 32).verifier]


@dataclass
class Term:
    """A term on one database."""

    pool: Pool
    lease: Lease
    outbox: Outbox
    record: RecordFacts

    async def reconcile(self, *sources: CheckpointSource, environment: str = "test") -> Reconciliation:
        epochs = PostgresEpochs(self.pool, self.outbox, self.lease, log_keys)
        return await Reconcile(epochs, sources, environment)()

    async def publish(self, known: KnownCheckpoint) -> None:
        await self.pool.execute(
            "INSERT INTO audit_checkpoint_latest VALUES ($1, $2, $3, $4, now())",
            known.epoch,
            known.size,
            known.root,
            known.note,
        )

    async def root(self, first: int = 0, count: int | None = None) -> bytes:
        """Compute a root from the leaves themselves."""
        rows = await self.pool.fetch("SELECT leaf FROM audit_entry WHERE position >= $1 ORDER BY position", first)
        frontier = Frontier()
        frontier.extend([leaf_hash(row["leaf"]) for row in rows[:count]])
        return frontier.root()

    async def told(self) -> list[IntegrityViolated]:
        rows = await self.pool.fetch("SELECT type, body FROM outbox_event ORDER BY shard, number")
        events = [decode(row["type"], row["body"]) for row in rows]
        return [event for event in events if isinstance(event, IntegrityViolated)]


@pytest.fixture
def term_on(outbox: Outbox, held_lease: Any, begun: Begun, subject_keys: Any) -> Callable[[PostgresSettings], Any]:
    """`term_on(settings)` leads on a database for the time of the block."""

    @asynccontextmanager
    async def term_on(settings: PostgresSettings) -> AsyncIterator[Term]:
        async with connected_pool(settings, application_name="test") as pool, held_lease(pool) as lease:
            yield Term(pool, lease, outbox, await begun(PostgresLog(pool, outbox, lease, subject_keys)))

    return term_on


async def as_admin(database: Database, statement: str) -> None:
    admin = await asyncpg.connect(
        **database.admin.model_copy(update={"database": "postgres"}).connect_arguments("test")
    )
    try:
        await admin.execute(statement)
    finally:
        await admin.close()


async def as_superuser(database: Database, statement: str) -> None:
    """Change entries as nobody but a superuser can: without their triggers."""
    admin = await asyncpg.connect(**database.admin.connect_arguments("test"))
    try:
        await admin.execute("SET session_replication_role = replica")
        await admin.execute(statement)
    finally:
        await admin.close()


def facts(fact: FactOf, numbers: Sequence[int]) -> list[Any]:
    return [fact(number) for number in numbers]


async def test_after_a_restore_the_log_goes_on_in_a_new_tree(
    audit_database: Database, term_on: Callable[..., Any], fact: FactOf
) -> None:
    name = audit_database.name
    async with term_on(audit_database.service) as term:
        await term.record(facts(fact, range(300)))
    await as_admin(audit_database, f'CREATE DATABASE "{name}_backup" TEMPLATE "{name}"')
    try:
        async with term_on(audit_database.service) as term:
            await term.record(facts(fact, range(300, 350)))
            cosigned = checkpoint(350, await term.root())
            assert await term.reconcile(Outside({1: cosigned})) == Reconciliation(None, None, (), True)
        await as_admin(audit_database, f'DROP DATABASE "{name}" WITH (FORCE)')
        await as_admin(audit_database, f'CREATE DATABASE "{name}" TEMPLATE "{name}_backup"')
        witness = Outside({1: cosigned})
        async with term_on(audit_database.service) as term:
            abandoned = await term.root()
            # The producer publishes on; what is recorded before the witness was asked is abandoned with the tree.
            await term.record(facts(fact, range(300, 310)))
            witness.is_away = True
            asked = await term.reconcile(witness)
            assert (asked.away, asked.may_sign) == (("the witness: nobody answers",), False)
            witness.is_awaited = False
            assert (await term.reconcile(witness)).may_sign
            witness.is_away = False
            abandoned = await term.root()
            found = await term.reconcile(witness)
            assert found.opened is not None
            assert found.why is not None
            assert (found.opened.number, found.opened.origin) == (2, "audit.yoyaku/test/2")
            assert (found.opened.first_position, found.why.divergence) == (310, Divergence.TRUNCATED)
            await term.record(facts(fact, range(310, 320)))
            rows = await term.pool.fetch(
                "SELECT position, epoch, source, number, type, leaf FROM audit_entry WHERE position >= 309 ORDER BY 1"
            )
            assert [(row["position"], row["epoch"]) for row in rows[:3]] == [(309, 1), (310, 2), (311, 2)]
            assert len(rows) == 12
            entry = rows[1]
            assert (entry["source"], entry["number"], entry["type"]) == ("/audit-log/epochs", 2, EpochOpened.TYPE)
            opened = decode(EpochOpened.TYPE, json.dumps(json.loads(entry["leaf"])["body"]).encode())
            assert isinstance(opened, EpochOpened)
            assert opened.previous_checkpoint == cosigned.note
            assert (opened.abandoned_size, opened.abandoned_root_sha256) == (310, abandoned.hex())
            (told,) = await term.told()
            assert (told.kind, told.number, told.position) == ("log_truncated", 350, 310)
            assert (told.expected_sha256, told.found_sha256) == (cosigned.root.hex(), abandoned.hex())
            assert await PostgresTree(term.pool).root(2, 11) == await term.root(310)
            assert await PostgresTree(term.pool).root(1, 310) == abandoned
            witness.known[2] = checkpoint(11, await term.root(310), 2)
            assert await term.reconcile(witness) == Reconciliation(None, None, (), True)
        # Put back once more, to before the new tree was begun: it gets a name that nobody knows.
        await as_admin(audit_database, f'DROP DATABASE "{name}" WITH (FORCE)')
        await as_admin(audit_database, f'CREATE DATABASE "{name}" TEMPLATE "{name}_backup"')
        async with term_on(audit_database.service) as term:
            found = await term.reconcile(witness)
            assert found.opened is not None
            assert (found.opened.number, found.opened.first_position) == (3, 300)
    finally:
        await as_admin(audit_database, f'DROP DATABASE "{name}_backup" WITH (FORCE)')


async def test_a_rewritten_past_is_a_fork(audit_database: Database, term_on: Callable[..., Any], fact: FactOf) -> None:
    async with term_on(audit_database.service) as term:
        await term.record(facts(fact, range(9)))
        assert (await term.reconcile(Outside({1: checkpoint(5, await term.root(0, 5))}))).opened is None
        found = await term.reconcile(Outside({1: checkpoint(5, b"\xee" * 32)}))
        assert found.why is not None
        assert found.why.divergence is Divergence.FORKED
        (told,) = await term.told()
        assert (told.kind, told.expected_sha256) == ("checkpoint_forked", "ee" * 32)
        assert told.found_sha256 == (await term.root(0, 5)).hex()


async def test_what_the_database_signed_it_must_hold(
    audit_database: Database, term_on: Callable[..., Any], fact: FactOf
) -> None:
    async with term_on(audit_database.service) as term:
        await term.record(facts(fact, range(9)))
        own = SignedInDatabase(term.pool)
        assert (await term.reconcile(own)).opened is None
        signed = checkpoint(20, b"\x07" * 32)
        await term.pool.execute(
            "INSERT INTO audit_checkpoint_latest VALUES (1, $1, $2, $3, now())", signed.size, signed.root, signed.note
        )
        found = await term.reconcile(own)
        assert found.opened is not None
        assert found.opened.first_position == 9
        assert (await term.reconcile(own)).opened is None
        await term.publish(checkpoint(1, await term.root(9), 2))
        # The copy of a database in another environment has a name of its own, and nobody is alarmed.
        moved = await term.reconcile(own, environment="staging")
        assert moved.opened is not None
        assert moved.opened.origin == "audit.yoyaku/staging/3"
        assert len(await term.told()) == 1
        assert (await term.reconcile(own, environment="staging")).opened is None


async def test_an_empty_log_of_a_known_origin_begins_anew(
    audit_database: Database, term_on: Callable[..., Any]
) -> None:
    async with term_on(audit_database.service) as term:
        found = await term.reconcile(Outside({1: checkpoint(5, b"\xee" * 32)}))
        assert found.opened is not None
        assert (found.opened.number, found.opened.first_position) == (2, 0)
        body = await term.pool.fetchval("SELECT leaf FROM audit_entry")
        assert json.loads(body)["body"]["abandoned_root_sha256"] == EMPTY_ROOT.hex()
        # Nothing that is signed says that this log was another environment's: that is not believed.
        moved = await term.reconcile(environment="staging")
        assert moved.opened is not None
        assert moved.why is not None
        assert moved.why.divergence is Divergence.FORKED
        leaf = await term.pool.fetchval("SELECT leaf FROM audit_entry WHERE position = 1")
        text = json.loads(leaf)["body"]["previous_checkpoint"]
        assert Checkpoint.parse(text) == Checkpoint("audit.yoyaku/test/2", 1, await term.root(0, 1))
        with pytest.raises(ValueError, match="empty line"):
            parse_note(text)


async def test_a_log_whose_newest_entries_were_deleted_goes_on_in_a_new_tree(
    audit_database: Database, term_on: Callable[..., Any], fact: FactOf, begun: Begun, subject_keys: Any
) -> None:
    async with term_on(audit_database.service) as term:
        await term.record(facts(fact, range(300)))
        cosigned = checkpoint(300, await term.root())
        whole_tile = await term.root(0, 256)
        await as_superuser(audit_database, "DELETE FROM audit_entry WHERE position = 280")
        log = PostgresLog(term.pool, term.outbox, term.lease, subject_keys)
        with pytest.raises(MalformedTileError):
            await begun(log)
        reconcile = Reconcile(PostgresEpochs(term.pool, term.outbox, term.lease), [Outside({1: cosigned})], "test")
        found = await reconcile.begin_anew()
        assert found.opened is not None
        assert (found.opened.number, found.opened.first_position) == (2, 300)
        record = await begun(log)
        await record(facts(fact, range(300, 303)))
        leaf = await term.pool.fetchval("SELECT leaf FROM audit_entry WHERE position = 300")
        body = json.loads(leaf)["body"]
        assert (body["abandoned_size"], body["abandoned_root_sha256"]) == (256, whole_tile.hex())
        assert body["previous_checkpoint"] == cosigned.note
        (told,) = await term.told()
        assert (told.kind, told.number, told.expected_sha256) == ("entry_missing", 300, cosigned.root.hex())
        assert (await term.reconcile(Outside({1: cosigned}))).opened is None


async def test_a_damaged_tree_of_which_nobody_knows_anything_is_replaced_as_well(
    audit_database: Database, term_on: Callable[..., Any], fact: FactOf
) -> None:
    async with term_on(audit_database.service) as term:
        await term.record(facts(fact, range(9)))
        await as_superuser(audit_database, "DELETE FROM audit_entry WHERE position >= 7")
        reconcile = Reconcile(PostgresEpochs(term.pool, term.outbox, term.lease), [], "test")
        found = await reconcile.begin_anew()
        assert found.opened is not None
        assert found.opened.first_position == 9
        leaf = await term.pool.fetchval("SELECT leaf FROM audit_entry WHERE position = 9")
        assert json.loads(leaf)["body"]["abandoned_size"] == 0
        (told,) = await term.told()
        assert (told.number, told.expected_sha256, told.found_sha256) == (9, "00" * 32, EMPTY_ROOT.hex())


ACTS = {
    "the largest integer": "UPDATE audit_epoch SET epoch = 2147483647 WHERE epoch = 2",
    "the largest that an origin may name": "UPDATE audit_epoch SET epoch = 999999999,"
    " origin = 'audit.yoyaku/test/999999999' WHERE epoch = 2",
    "the next origin": "UPDATE audit_epoch SET origin = 'audit.yoyaku/test/3' WHERE epoch = 2",
    "no origin": "UPDATE audit_epoch SET origin = repeat('x', 900) WHERE epoch = 2",
    "another environment": "UPDATE audit_epoch SET origin = 'audit.yoyaku/staging/2' WHERE epoch = 2;"
    "UPDATE audit_entry SET leaf = convert_to(replace(convert_from(leaf, 'UTF8'), 'yoyaku/test/2',"
    " 'yoyaku/staging/2'), 'UTF8') WHERE position = 9",
}


@pytest.mark.parametrize("is_known", [False, True], ids=["nobody", "witness"])
@pytest.mark.parametrize("act", ACTS)
async def test_whatever_stands_in_the_row_of_an_epoch_the_log_goes_on_and_it_is_told(
    audit_database: Database,
    term_on: Callable[..., Any],
    fact: FactOf,
    begun: Begun,
    subject_keys: Any,
    act: str,
    is_known: bool,
) -> None:
    async with term_on(audit_database.service) as term:
        await term.record(facts(fact, range(9)))
        first = Outside({1: checkpoint(5, b"\xee" * 32)})
        assert (await term.reconcile(first)).opened is not None
        newest = checkpoint(1, await term.root(9), 2)
        await term.publish(newest)
        witness = Outside({2: newest} if is_known else {})
        own = SignedInDatabase(term.pool)
        assert (await term.reconcile(own, witness)).opened is None
        await as_superuser(audit_database, ACTS[act])
        found = await term.reconcile(own, witness)
        assert found.opened is not None
        assert found.why is not None
        assert found.why.divergence.is_violation
        number = found.opened.number
        assert 3 <= number <= 4
        assert found.opened.origin == f"audit.yoyaku/test/{number}"
        assert len(await term.told()) == 2
        record = await begun(PostgresLog(term.pool, term.outbox, term.lease, subject_keys))
        await record(facts(fact, range(9, 12)))
        assert await term.pool.fetchval("SELECT epoch FROM audit_entry ORDER BY position DESC LIMIT 1") == number
        assert (await term.reconcile(own, witness)).opened is None
