"""What a superuser of the database does to it shows in what the service exports afterwards."""

from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest

from yoyaku.audit_log.adapters.postgres.entries import PostgresEntries
from yoyaku.audit_log.adapters.postgres.occurred_blocks import OccurredBlocks
from yoyaku.audit_log.adapters.postgres.published import PostgresPublished
from yoyaku.audit_log.adapters.postgres.reads import PostgresReads
from yoyaku.audit_log.adapters.postgres.tree import PostgresTree
from yoyaku.audit_log.domain.fact import Fact
from yoyaku.audit_log.entrypoints.commands.export_folder import ExportFolder
from yoyaku.audit_log.usecases.every_entry import EveryEntry
from yoyaku.audit_log.usecases.export_log import ExportLog
from yoyaku.audit_log.usecases.read_file import ReadFile
from yoyaku.audit_log.usecases.reader_ports import NothingSealed, Reader
from yoyaku.audit_log.usecases.record_facts import RecordFacts
from yoyaku.audit_log.verify.formats import COSIGNATURE, LOG_SIGNATURE, Key
from yoyaku.audit_log.verify.judge import verify
from yoyaku.messaging.outbox import Outbox
from yoyaku.postgres.pool import Pool
from yoyaku.testkit.databases import Database
from yoyaku.tlog.checkpoint import Checkpoint
from yoyaku.tlog.cosignature import cosign
from yoyaku.tlog.keys import Algorithm, SigningKey

WITNESS = SigningKey("witness.yoyaku/test", b"\x02" * 32, Algorithm.COSIGNATURE_V1)
LARGEST_FILE_BYTES = 64 * 1024 * 1024
_EPOCH = "SELECT epoch, origin FROM audit_epoch ORDER BY epoch DESC LIMIT 1"
_LATEST = "INSERT INTO audit_checkpoint_latest (epoch, size, root, note, signed_at) VALUES ($1, $2, $3, $4, now())"
_KEPT = "INSERT INTO audit_checkpoint (epoch, size, root, note, signed_at) VALUES ($1, $2, $3, $4, now())"


def edit(position: int, old: str, new: str) -> str:
    """Replace a text in a leaf."""
    leaf = f"convert_to(replace(convert_from(leaf, 'UTF8'), $${old}$$, $${new}$$), 'UTF8')"
    return f"UPDATE audit_entry SET leaf = {leaf} WHERE position = {position}"


ACTS = {
    "edited": (edit(17, "person/1", "person/2"), 17),
    "edited at the end": (edit(299, "room/299", "room/992"), 299),
    "back-dated": (edit(260, '"recorded_at":"2', '"recorded_at":"1'), 260),
    "deleted": ("DELETE FROM audit_entry WHERE position = 42", 42),
    "truncated": ("DELETE FROM audit_entry WHERE position >= 290", 290),
    "reordered": (
        "UPDATE audit_entry a SET leaf = b.leaf, leaf_hash = b.leaf_hash FROM audit_entry b"
        " WHERE (a.position, b.position) IN ((20, 30), (30, 20))",
        20,
    ),
}


class FilesOfService:
    """The files as the service gives them to an operator."""

    def __init__(self, pool: Pool, outbox: Outbox) -> None:
        entries = EveryEntry(PostgresEntries(pool, lambda address: address.encode(), OccurredBlocks()), NothingSealed())
        self._read = ReadFile(entries, PostgresReads(pool, outbox), PostgresPublished(pool), PostgresTree(pool))

    async def read(self, path: str) -> bytes:
        part = await self._read(Reader("operator"), path, epoch=None, offset=0, max_bytes=LARGEST_FILE_BYTES)
        return part.content


@pytest.mark.requirement("AU-03")
async def test_each_act_is_named_with_its_entry(
    audit_database: Database,
    pool: Pool,
    outbox: Outbox,
    record: RecordFacts,
    fact: Callable[..., Fact],
    tmp_path: Path,
) -> None:
    """One log, exported whole, and after each act in turn, which is taken back afterwards."""
    await record([fact(number, body=b'{"n":%d}' % number) for number in range(300)])
    number, origin = await pool.fetchrow(_EPOCH)
    key = SigningKey(origin, b"\x01" * 32)
    note = Checkpoint(origin, 300, await PostgresTree(pool).root(number, 300)).sign([key])
    text = note.signed_also([cosign(note.text, WITNESS, 1_763_000_000)]).encode().decode()
    root = await PostgresTree(pool).root(number, 300)
    for statement in (_LATEST, _KEPT):
        await pool.execute(statement, number, 300, root, text)
    keys, witnesses = [Key.parse(key.vkey, LOG_SIGNATURE)], [Key.parse(WITNESS.vkey, COSIGNATURE)]

    superuser = await asyncpg.connect(**audit_database.admin.connect_arguments("superuser"))
    try:
        await superuser.execute("SET session_replication_role = replica; CREATE TABLE kept AS TABLE audit_entry")
        found = {}
        for name, (act, _) in {"whole": ("SELECT 1", 0), **ACTS}.items():
            await superuser.execute(act)
            await ExportLog(FilesOfService(pool, outbox), ExportFolder(tmp_path / name))(text)
            report = verify(tmp_path / name, keys=keys, witnesses=witnesses)
            found[name] = (report.first.kind, report.first.first) if report.first else None
            await superuser.execute("DELETE FROM audit_entry; INSERT INTO audit_entry SELECT * FROM kept")
    finally:
        await superuser.close()
    assert found == {"whole": None} | {name: (name.split()[0], position) for name, (_, position) in ACTS.items()}
