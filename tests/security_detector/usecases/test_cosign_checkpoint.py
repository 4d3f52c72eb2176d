"""The witness answers as C2SP tlog-witness says, with a memory in a dictionary and with one in PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from yoyaku.postgres.errors import ConstraintViolatedError
from yoyaku.postgres.pool import Pool, connected_pool
from yoyaku.security_detector.adapters.postgres.witness import PostgresWitness
from yoyaku.security_detector.domain.witness import DamagedMemoryError, TrustedLogs, Witnessed, witness_keys
from yoyaku.security_detector.usecases.cosign_checkpoint import Answer, CosignCheckpoint, Outcome
from yoyaku.security_detector.usecases.ports import WitnessRecords
from yoyaku.testkit import rfc6962
from yoyaku.testkit.databases import Database
from yoyaku.tlog.checkpoint import Checkpoint
from yoyaku.tlog.keys import SigningKey
from yoyaku.tlog.note import Signature
from yoyaku.tlog.witness import AddCheckpoint, parse_cosignatures, parse_size

pytestmark = pytest.mark.requirement("AU-02")

ORIGIN = "audit.yoyaku/test/1"
LOG = SigningKey(ORIGIN, b"\x01" * 32)
ROTATED = SigningKey(ORIGIN, b"\x04" * 32)
KEYS = witness_keys("test", [b"\x02" * 32, b"\x03" * 32])
WITNESSES = [key.verifier for key in KEYS]
LOGS = TrustedLogs("test", lambda: [LOG.verifier.public_key, ROTATED.verifier.public_key])
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
LEAVES = rfc6962.numbered_leaves(40)
FORK = [*LEAVES[:10], *(b"other" for _ in range(30))]


@dataclass
class Remembered:
    """A record in memory, held by a lock."""

    newest: Witnessed | None = None

    async def keep(self, witnessed: Witnessed) -> None:
        await asyncio.sleep(0)
        self.newest = witnessed


class InMemoryWitness:
    """A witness's memory without a database."""

    def __init__(self) -> None:
        self._records: dict[str, Remembered] = {}
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def held(self, origin: str) -> AsyncIterator[Remembered]:
        async with self._lock:
            yield self._records.setdefault(origin, Remembered())

    async def newest(self, origin: str) -> Witnessed | None:
        return self._records[origin].newest if origin in self._records else None

    async def all(self) -> Sequence[Witnessed]:
        return [record.newest for record in self._records.values() if record.newest]


@pytest.fixture(params=["memory", "postgres"])
def records(request: pytest.FixtureRequest) -> WitnessRecords:
    if request.param == "memory":
        return InMemoryWitness()
    pool: Pool = request.getfixturevalue("pool")
    return PostgresWitness(pool)


def signed(leaves: Sequence[bytes], key: SigningKey = LOG) -> Checkpoint:
    return Checkpoint(key.name, len(leaves), rfc6962.merkle_tree_hash(leaves))


def body(leaves: Sequence[bytes], old: int, key: SigningKey = LOG, proof: Sequence[bytes] | None = None) -> str:
    made = rfc6962.consistency_proof(old, leaves) if 0 < old < len(leaves) else []
    note = signed(leaves, key).sign([key])
    return AddCheckpoint(old, tuple(made if proof is None else proof), note).encode().decode()


def old_larger() -> str:
    return body(LEAVES[:5], 0).replace("old 0\n", "old 6\n")


STRANGER = SigningKey(ORIGIN, b"\x09" * 32)
CASES = {
    "extends": (body(LEAVES[:20], 12), 200, Outcome.COSIGNED),
    "signed by the key that comes next": (body(LEAVES[:20], 12, ROTATED), 200, Outcome.COSIGNED),
    "the same again": (body(LEAVES[:12], 12), 200, Outcome.COSIGNED),
    "no request": ("hello", 400, Outcome.MALFORMED),
    "nothing": ("", 400, Outcome.MALFORMED),
    "no checkpoint": ("old 12\n\nhello\n", 400, Outcome.MALFORMED),
    "leading zero": (body(LEAVES[:20], 12).replace("old 12", "old 012"), 400, Outcome.MALFORMED),
    "64 hashes": (
        body(LEAVES[:20], 12, proof=[b"\x00" * 32] * 63).replace("\n", f"\n{'A' * 43}=\n", 1),
        400,
        Outcome.MALFORMED,
    ),
    "old is larger": (old_larger(), 400, Outcome.MALFORMED),
    "another key": (body(LEAVES[:20], 12, STRANGER), 403, Outcome.FORBIDDEN),
    "another environment": (body(LEAVES[:20], 12, LOG.named("audit.yoyaku/elsewhere/1")), 404, Outcome.UNKNOWN),
    "no log": (body(LEAVES[:20], 12, LOG.named("example.com/log")), 404, Outcome.UNKNOWN),
    "from another size": (body(LEAVES[:20], 11), 409, Outcome.OUTDATED),
    "from the beginning": (body(LEAVES[:20], 0), 409, Outcome.OUTDATED),
    "smaller": (body(LEAVES[:11], 11), 409, Outcome.OUTDATED),
    "another tree of that size": (body(FORK[:12], 12), 409, Outcome.FORKED),
    "another tree that is larger": (body(FORK[:20], 12), 422, Outcome.INCONSISTENT),
    "no proof": (body(LEAVES[:20], 12, proof=[]), 422, Outcome.INCONSISTENT),
    "a proof too long": (body(LEAVES[:12], 12, proof=[b"\x00" * 32]), 422, Outcome.INCONSISTENT),
}


async def check(records: WitnessRecords, case: str) -> None:
    """Ask a witness whose newest checkpoint is that over the first 12 leaves."""
    text, status, outcome = CASES[case]
    before = await records.newest(ORIGIN)
    answer = await CosignCheckpoint(records, LOGS, lambda: KEYS)(text, NOON + timedelta(seconds=1))
    assert (answer.status, answer.outcome) == (status, outcome), case
    after = await records.newest(ORIGIN)
    assert after is not None
    if status == 200:
        lines = parse_cosignatures(answer.body, after.note.text, WITNESSES)
        assert [line.key_id for line in lines] == [key.key_id for key in WITNESSES]
        assert after.cosignatures == lines
    else:
        assert after == before
    if outcome is Outcome.OUTDATED:
        assert (answer.content_type, parse_size(answer.body)) == ("text/x.tlog.size", 12)
    else:
        assert answer.content_type.startswith("text/plain")


@pytest.mark.parametrize("case", CASES)
async def test_each_request_has_its_code(case: str) -> None:
    records = InMemoryWitness()
    assert (await CosignCheckpoint(records, LOGS, lambda: KEYS)(body(LEAVES[:12], 0), NOON)).status == 200
    await check(records, case)


async def test_each_request_has_its_code_with_a_database(pool: Pool) -> None:
    records = PostgresWitness(pool)
    assert (await CosignCheckpoint(records, LOGS, lambda: KEYS)(body(LEAVES[:12], 0), NOON)).status == 200
    for case in (name for name, (_, status, _) in CASES.items() if status != 200):
        await check(records, case)
    await check(records, "the same again")
    await check(records, "extends")


async def test_a_new_log_begins_at_zero_and_logs_do_not_mix(records: WitnessRecords) -> None:
    witness = CosignCheckpoint(records, LOGS, lambda: KEYS)
    answer = await witness(body(LEAVES[:7], 3), NOON)
    assert (answer.status, answer.body) == (409, "0\n")
    assert (await witness(body(LEAVES[:7], 0), NOON)).status == 200
    second = LOG.named("audit.yoyaku/test/2")
    assert (await witness(body(FORK[:30], 0, second), NOON + timedelta(seconds=9))).status == 200
    assert {one.checkpoint.size for one in await records.all()} == {7, 30}
    newest = await records.newest(second.name)
    assert newest is not None
    assert newest.checkpoint == signed(FORK[:30], second)


async def test_what_strangers_signed_is_ignored(records: WitnessRecords) -> None:
    note = signed(LEAVES[:5]).sign([LOG]).signed_also([Signature("stranger", 7, b"x")])
    request = AddCheckpoint(0, (), note).encode().decode()
    assert (await CosignCheckpoint(records, LOGS, lambda: KEYS)(request, NOON)).status == 200


async def race(records: Sequence[WitnessRecords], requests: Sequence[str]) -> list[Answer]:
    """Ask all at once, each of another replica."""
    witnesses = [CosignCheckpoint(memory, LOGS, lambda: KEYS) for memory in records]
    asked = [witnesses[number % len(witnesses)](text, NOON) for number, text in enumerate(requests)]
    return await asyncio.gather(*asked)


@pytest.mark.parametrize("known", [0, 10])
async def test_two_replicas_at_once_never_cosign_both_sides_of_a_fork(security_database: Database, known: int) -> None:
    async with (
        connected_pool(security_database.service, application_name="one") as one,
        connected_pool(security_database.service, application_name="other") as other,
    ):
        replicas = [PostgresWitness(one), PostgresWitness(other)]
        if known:
            await CosignCheckpoint(replicas[0], LOGS, lambda: KEYS)(body(LEAVES[:known], 0), NOON)
        sizes = range(11, 19)
        requests = [body(side[:size], known) for size in sizes for side in (LEAVES, FORK)]
        answers = await race(replicas, requests)
        assert sorted({answer.status for answer in answers}) == [200, 409]
        assert sum(answer.status == 200 for answer in answers) == 1
        newest = await replicas[0].newest(ORIGIN)
        assert newest is not None
        (winner,) = (answer for answer in answers if answer.status == 200)
        assert newest.checkpoint.size == winner.size


async def test_the_service_can_neither_forget_nor_go_back(pool: Pool, security_database: Database) -> None:
    records = PostgresWitness(pool)
    witness = CosignCheckpoint(records, LOGS, lambda: KEYS)
    await witness(body(LEAVES[:12], 0), NOON)
    older = await records.newest(ORIGIN)
    assert older is not None
    await witness(body(LEAVES[:20], 12), NOON)
    for statement in ("DELETE FROM witness_checkpoint", "TRUNCATE witness_checkpoint"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pool.execute(statement)
    with pytest.raises(ConstraintViolatedError):
        async with records.held(ORIGIN) as record:
            await record.keep(older)
    owner = await asyncpg.connect(**security_database.owner.connect_arguments("test"))
    try:
        for statement in ("DELETE FROM witness_checkpoint", "TRUNCATE witness_checkpoint"):
            with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="never forgets"):
                await owner.execute(statement)
    finally:
        await owner.close()


async def test_a_changed_memory_is_no_outage_and_the_witness_goes_on_from_its_own_note(
    pool: Pool, security_database: Database
) -> None:
    records = PostgresWitness(pool)
    witness = CosignCheckpoint(records, LOGS, lambda: KEYS)
    await witness(body(LEAVES[:12], 0), NOON)
    superuser = await asyncpg.connect(**security_database.admin.connect_arguments("test"))
    try:
        await superuser.execute("SET session_replication_role = replica")
        await superuser.execute("UPDATE witness_checkpoint SET size = 1000000")
        strangers = CosignCheckpoint(records, LOGS, lambda: witness_keys("test", [b"\x08" * 32]))
        with pytest.raises(DamagedMemoryError, match="not the witness's"):
            await strangers(body(LEAVES[:20], 12), NOON)
        assert (await witness(body(FORK[:20], 12), NOON)).outcome is Outcome.INCONSISTENT
        assert (await witness(body(LEAVES[:20], 12), NOON)).status == 200
        newest = await records.newest(ORIGIN)
        assert newest is not None
        assert (newest.checkpoint.size, newest.is_contradicted) == (20, False)
        await superuser.execute("UPDATE witness_checkpoint SET note = 'x'")
        with pytest.raises(DamagedMemoryError, match="cannot be read"):
            await witness(body(LEAVES[:30], 20), NOON)
    finally:
        await superuser.close()
