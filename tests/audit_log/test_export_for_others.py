"""What the service records and exports is a log to software that nobody here wrote."""

from collections.abc import Callable
from pathlib import Path

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
from yoyaku.messaging.outbox import Outbox
from yoyaku.postgres.pool import Pool
from yoyaku.testkit.third_party import check_with_third_party
from yoyaku.tlog.checkpoint import Checkpoint
from yoyaku.tlog.cosignature import cosign
from yoyaku.tlog.keys import Algorithm, SigningKey

pytestmark = [pytest.mark.requirement("AU-03"), pytest.mark.timeout(360)]

WITNESS = SigningKey("witness.yoyaku/test", b"\x02" * 32, Algorithm.COSIGNATURE_V1)
LARGEST_FILE_BYTES = 64 * 1024 * 1024
_EPOCH = "SELECT epoch, origin FROM audit_epoch ORDER BY epoch DESC LIMIT 1"
_LATEST = """
INSERT INTO audit_checkpoint_latest (epoch, size, root, note, signed_at) VALUES ($1, $2, $3, $4, now())
ON CONFLICT (epoch) DO UPDATE SET size = EXCLUDED.size, root = EXCLUDED.root, note = EXCLUDED.note
"""
_KEPT = "INSERT INTO audit_checkpoint (epoch, size, root, note, signed_at) VALUES ($1, $2, $3, $4, now())"


class FilesOfService:
    """The files as the service gives them to an operator."""

    def __init__(self, pool: Pool, outbox: Outbox) -> None:
        entries = EveryEntry(PostgresEntries(pool, lambda address: address.encode(), OccurredBlocks()), NothingSealed())
        self._read = ReadFile(entries, PostgresReads(pool, outbox), PostgresPublished(pool), PostgresTree(pool))

    async def read(self, path: str) -> bytes:
        part = await self._read(Reader("operator"), path, epoch=None, offset=0, max_bytes=LARGEST_FILE_BYTES)
        return part.content


async def sign(pool: Pool, size: int) -> tuple[SigningKey, str]:
    """Sign and cosign what is recorded, and keep it; the key, and the note."""
    number, origin = await pool.fetchrow(_EPOCH)
    key = SigningKey(origin, b"\x01" * 32)
    root = await PostgresTree(pool).root(number, size)
    note = Checkpoint(origin, size, root).sign([key])
    text = note.signed_also([cosign(note.text, WITNESS, 1_763_000_000)]).encode().decode()
    for statement in (_LATEST, _KEPT):
        await pool.execute(statement, number, size, root, text)
    return key, text


def body(number: int) -> bytes:
    """Readable ones, others, and some that no leaf can hold."""
    if number % 100 == 50:
        return b"x" * 70_000
    return b'{"n":%d}' % number if number % 3 else b"\xff" * number


async def test_an_export_is_a_log_to_others_and_an_edited_one_is_not(
    pool: Pool, outbox: Outbox, record: RecordFacts, fact: Callable[..., Fact], tmp_path: Path
) -> None:
    """Exported twice, the second time with a full tile more; entries of every form."""
    folder, recorded = tmp_path / "export", 0
    for count in (300, 250):
        numbers = range(recorded, recorded + count)
        await record([fact(n, body=body(n)) for n in numbers])
        recorded += count
        key, note = await sign(pool, recorded)
        await ExportLog(FilesOfService(pool, outbox), ExportFolder(folder))(note)
        checked = check_with_third_party(folder, key=key.vkey, witness=WITNESS.vkey)
        assert checked.holds, checked.says
        assert f"size {recorded}, " in checked.says
    assert len(list((folder / "bodies").iterdir())) > 0
    bundle = folder / "tile/entries/001"
    bundle.write_bytes(bundle.read_bytes().replace(b'"n":400', b'"n":401'))
    checked = check_with_third_party(folder, key=key.vkey)
    assert not checked.holds
    assert "tile/0/001" in checked.says
