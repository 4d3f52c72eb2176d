"""Checkpoints and their cosignatures in PostgreSQL.

Invariant: a line is kept only beside the checkpoint that it is over, and only by the leader. A line is stored as it
stands in a note, with its newline: the note of a kept checkpoint and its lines, one after the other, are a note.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from asyncpg import Record

from yoyaku.audit_log.adapters.postgres.newest_epoch import NEWEST_FIRST
from yoyaku.audit_log.usecases.witness_ports import Refusal, SignedCheckpoint
from yoyaku.contracts.audit_v1 import CheckpointCosigned, IntegrityViolated
from yoyaku.messaging.leadership import Lease
from yoyaku.messaging.outbox import Outbox
from yoyaku.postgres.pool import Connection, Pool
from yoyaku.postgres.transaction import transaction
from yoyaku.tlog.checkpoint import Checkpoint
from yoyaku.tlog.keys import VerifierKey
from yoyaku.tlog.note import Note, Signature, parse_note

ACTOR: Final = "service/audit-log"
CHECKPOINT_REFUSED: Final = "checkpoint_refused"
_UNKNOWN_ROOT: Final = "0" * 64

_NEWEST: Final = f"""
SELECT c.epoch, e.origin, c.size, c.root, c.note FROM audit_checkpoint_latest c JOIN audit_epoch e USING (epoch)
 WHERE c.epoch = (
    SELECT epoch FROM audit_epoch ORDER BY {NEWEST_FIRST} LIMIT 1
 )
"""  # noqa: S608 - constants
_LAST_SIZE: Final = (
    "SELECT coalesce(max(size), 0) FROM audit_cosignature WHERE epoch = $1 AND witness = ANY ($2::text[])"
)
_KEPT_WITHOUT: Final = """
SELECT c.epoch, e.origin, c.size, c.root, c.note FROM audit_checkpoint c JOIN audit_epoch e USING (epoch)
 WHERE c.epoch = $1 AND c.size >= $3 AND NOT EXISTS (
    SELECT FROM audit_cosignature s WHERE s.epoch = c.epoch AND s.size = c.size AND s.witness = ANY ($2::text[])
 )
 ORDER BY c.size LIMIT $4
"""
_HOLD_LATEST: Final = "SELECT cosigned_size, cosigned_note FROM audit_checkpoint_latest WHERE epoch = $1 FOR UPDATE"
_SET_LATEST: Final = "UPDATE audit_checkpoint_latest SET cosigned_size = $2, cosigned_note = $3 WHERE epoch = $1"
_ADD_LINE: Final = """
INSERT INTO audit_cosignature (epoch, size, witness, line, cosigned_at)
SELECT epoch, size, $4, $5, $6 FROM audit_checkpoint WHERE epoch = $1 AND size = $2 AND root = $3
ON CONFLICT DO NOTHING
RETURNING true
"""
_KEEP_REFUSAL: Final = """
INSERT INTO audit_contradiction (source, number, found_sha256, kind, position, event_id, type, headers, body, stream,
                                 stream_sequence, found_at)
SELECT $1, $2, $3, $4, e.first_position + $6, $7, $8, ''::bytea, $9, $10, 0, clock_timestamp()
  FROM audit_epoch e WHERE e.epoch = $5
   AND NOT EXISTS (SELECT FROM audit_contradiction k WHERE k.source = $1 AND k.number = $2 AND k.kind = $4)
ON CONFLICT ON CONSTRAINT audit_contradiction_once DO NOTHING
RETURNING true
"""


def witness_id(key: VerifierKey | Signature) -> str:
    """Name a key of a witness: its name and key ID, as a vkey begins. Two keys that rotate have two lines."""
    return f"{key.name}+{key.key_id:08x}"


class PostgresCosignatures:
    """What one leader keeps of its witnesses."""

    def __init__(self, pool: Pool, outbox: Outbox, lease: Lease) -> None:
        self._pool = pool
        self._outbox = outbox
        self._lease = lease

    async def newest(self) -> SignedCheckpoint | None:
        """Return the newest checkpoint of the newest epoch. Raises the errors of yoyaku.postgres."""
        async with transaction(self._pool, read_only=True) as connection:
            row = await connection.fetchrow(_NEWEST)
        return _to_signed(row) if row else None

    async def last_cosigned_size(self, epoch: int, keys: Sequence[VerifierKey]) -> int:
        """Return the size of the newest kept checkpoint with a line of one of these keys."""
        async with transaction(self._pool, read_only=True) as connection:
            found: int = await connection.fetchval(_LAST_SIZE, epoch, [witness_id(key) for key in keys])
        return found

    async def kept_without(
        self, epoch: int, keys: Sequence[VerifierKey], from_size: int, limit: int
    ) -> Sequence[SignedCheckpoint]:
        """Return kept checkpoints from a size on that have no line of these keys, the smallest first."""
        async with transaction(self._pool, read_only=True) as connection:
            rows = await connection.fetch(_KEPT_WITHOUT, epoch, [witness_id(key) for key in keys], from_size, limit)
        return [_to_signed(row) for row in rows]

    async def add(
        self, checkpoint: SignedCheckpoint, lines: Sequence[Signature], at: datetime, *, sets_newest: bool
    ) -> None:
        """Keep lines, and tell those that are kept for ever. Raises LeadershipLostError and as above."""
        async with self._outbox.transaction(self._pool) as outgoing:
            await self._lease.fence(outgoing.connection)
            await _into_latest(outgoing.connection, checkpoint, lines, sets_newest=sets_newest)
            told = set()
            for line in lines:
                given = (checkpoint.epoch, checkpoint.size, checkpoint.root, witness_id(line), line.line(), at)
                if await outgoing.connection.fetchval(_ADD_LINE, *given) and line.name not in told:
                    told.add(line.name)
                    outgoing.emit(_cosigned(checkpoint, line.name, at), subject=_subject(checkpoint), actor=ACTOR)

    async def refused(self, refusal: Refusal) -> bool:
        """Keep and tell a refusal, once for what the witness holds. Raises as `add`."""
        checkpoint = refusal.checkpoint
        event_id = str(uuid5(NAMESPACE_URL, f"{checkpoint.origin}/{refusal.held_size}/{refusal.witness}"))
        async with self._outbox.transaction(self._pool) as outgoing:
            await self._lease.fence(outgoing.connection)
            expected = await _root_held(outgoing.connection, refusal)
            event = IntegrityViolated(
                kind=CHECKPOINT_REFUSED,
                event_id=event_id,
                source=checkpoint.origin,
                number=checkpoint.size,
                expected_sha256=expected,
                found_sha256=checkpoint.root.hex(),
                detail=f"{refusal.witness} holds a tree of size {refusal.held_size}: {refusal.detail}"[:1000],
            )
            is_new = await outgoing.connection.fetchval(
                _KEEP_REFUSAL,
                f"{checkpoint.origin} {refusal.witness}"[:200],
                refusal.held_size,
                checkpoint.root,
                CHECKPOINT_REFUSED,
                checkpoint.epoch,
                checkpoint.size,
                event_id,
                IntegrityViolated.TYPE,
                checkpoint.note.encode(),
                refusal.witness,
            )
            if is_new:
                outgoing.emit(event, subject=_subject(checkpoint), actor=ACTOR)
        return bool(is_new)


async def _into_latest(
    connection: Connection, checkpoint: SignedCheckpoint, lines: Sequence[Signature], *, sets_newest: bool
) -> None:
    """Put lines into the newest cosigned note: over the same tree beside those of other witnesses, else alone."""
    row = await connection.fetchrow(_HOLD_LATEST, checkpoint.epoch)
    if row is None or (row["cosigned_size"] or 0) > checkpoint.size:
        return
    if not sets_newest and row["cosigned_size"] != checkpoint.size:
        return
    signed = parse_note(checkpoint.note)
    before = parse_note(row["cosigned_note"]) if row["cosigned_size"] == checkpoint.size else signed
    renewed = {(line.name, line.key_id) for line in lines}
    others = tuple(one for one in before.signatures if (one.name, one.key_id) not in renewed)
    note = Note(signed.text, (*others, *lines)) if before.text == signed.text else Note(signed.text, tuple(lines))
    await connection.execute(_SET_LATEST, checkpoint.epoch, checkpoint.size, note.encode().decode())


async def _root_held(connection: Connection, refusal: Refusal) -> str:
    """Tell the root that the witness vouches for, when its newest cosignature is the one that is kept here."""
    row = await connection.fetchrow(_HOLD_LATEST, refusal.checkpoint.epoch)
    if row is None or row["cosigned_size"] != refusal.held_size:
        return _UNKNOWN_ROOT
    return Checkpoint.parse(parse_note(row["cosigned_note"]).text).root.hex()


def _subject(checkpoint: SignedCheckpoint) -> str:
    return f"checkpoint/{checkpoint.epoch}"


def _cosigned(checkpoint: SignedCheckpoint, witness: str, at: datetime) -> CheckpointCosigned:
    return CheckpointCosigned(
        epoch=checkpoint.epoch,
        origin=checkpoint.origin,
        size=checkpoint.size,
        root_sha256=checkpoint.root.hex(),
        witness=witness,
        cosigned_at=at,
    )


def _to_signed(row: Record) -> SignedCheckpoint:
    return SignedCheckpoint(row["epoch"], row["origin"], row["size"], row["root"], row["note"])
