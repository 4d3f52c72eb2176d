"""Epochs, tiles and checkpoints in PostgreSQL, inside of a transaction of the sequencer."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from yoyaku.audit_log.adapters.postgres.newest_epoch import NEWEST_FIRST
from yoyaku.audit_log.domain.checkpoint import CheckpointState, SignedCheckpoint
from yoyaku.audit_log.domain.new_entry import Epoch
from yoyaku.audit_log.usecases.ports import ACTOR
from yoyaku.contracts.audit_v1 import CheckpointSigned
from yoyaku.messaging.outbox import OutboxTransaction
from yoyaku.postgres.pool import Connection
from yoyaku.tlog.tile_tree import TileTree, tiles_for_rebuild
from yoyaku.tlog.tiles import TILE_WIDTH, TileId

_NEWEST_EPOCH: Final = f"""
SELECT epoch, origin, first_position, opened_at FROM audit_epoch ORDER BY {NEWEST_FIRST} LIMIT 1
"""  # noqa: S608 - constants
_OPEN_EPOCH: Final = "INSERT INTO audit_epoch (epoch, origin, first_position, opened_at) VALUES ($1, $2, $3, $4)"
_LAST_HASHES: Final = """
SELECT leaf_hash FROM audit_leaf_hash WHERE position >= $1 AND position < $2 ORDER BY position
"""
_TILES: Final = """
SELECT t.level, t.tile_index, t.hashes
  FROM unnest($2::smallint[], $3::bigint[]) AS wanted (level, tile_index)
  JOIN audit_tile t ON t.epoch = $1 AND t.level = wanted.level AND t.tile_index = wanted.tile_index
"""
_KEEP_TILES: Final = """
INSERT INTO audit_tile (epoch, level, tile_index, hashes)
SELECT $1, * FROM unnest($2::smallint[], $3::bigint[], $4::bytea[])
"""
_CHECKPOINT_STATE: Final = """
SELECT coalesce(latest.size, -1) AS latest_size, latest.root AS latest_root, coalesce(kept.size, -1) AS kept_size,
       kept.signed_at AS kept_at, clock_timestamp() AS now
  FROM (SELECT $1::int AS epoch) AS wanted
  LEFT JOIN audit_checkpoint_latest latest USING (epoch)
  LEFT JOIN LATERAL (
    SELECT size, signed_at FROM audit_checkpoint c WHERE c.epoch = wanted.epoch ORDER BY size DESC LIMIT 1
  ) kept ON true
"""
_PUBLISH: Final = """
INSERT INTO audit_checkpoint_latest (epoch, size, root, note, signed_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (epoch) DO UPDATE SET size = excluded.size, root = excluded.root, note = excluded.note,
                                  signed_at = excluded.signed_at
"""
_KEEP: Final = "INSERT INTO audit_checkpoint (epoch, size, root, note, signed_at) VALUES ($1, $2, $3, $4, $5)"


class PostgresTreeRows:
    """Epochs, tiles and checkpoints, in one transaction."""

    def __init__(self, transaction: OutboxTransaction) -> None:
        self._transaction = transaction
        self._connection = transaction.connection

    async def newest_epoch(self) -> Epoch | None:
        """Return the epoch that entries go into; None before the first."""
        row = await self._connection.fetchrow(_NEWEST_EPOCH)
        return None if row is None else Epoch(*row)

    async def open_epoch(self, epoch: Epoch) -> None:
        """Begin a new tree; the head must be held."""
        await self._connection.execute(_OPEN_EPOCH, epoch.number, epoch.origin, epoch.first_position, epoch.opened_at)

    async def load_tree(self, epoch: Epoch, size: int) -> TileTree:
        """Rebuild the tree of an epoch at a size. Raises MalformedTileError when rows that it needs are not there."""
        end = epoch.first_position + size
        leaves = await self._connection.fetch(_LAST_HASHES, end - size % TILE_WIDTH, end)
        wanted = tiles_for_rebuild(size)
        tiles = await tiles_at(self._connection, epoch.number, wanted)
        return TileTree.rebuild(size, [row["leaf_hash"] for row in leaves], tiles)

    async def keep_tiles(self, epoch: int, tiles: Sequence[tuple[TileId, bytes]]) -> None:
        """Keep tiles that became full."""
        if not tiles:
            return
        await self._connection.execute(
            _KEEP_TILES,
            epoch,
            [tile.level for tile, _ in tiles],
            [tile.index for tile, _ in tiles],
            [hashes for _, hashes in tiles],
        )

    async def checkpoint_state(self, epoch: int) -> tuple[CheckpointState, datetime]:
        """Return what is published of an epoch, and the database's time."""
        row = await self._connection.fetchrow(_CHECKPOINT_STATE, epoch)
        assert row is not None  # the wanted epoch is a row of its own
        state = CheckpointState(row["latest_size"], row["latest_root"], row["kept_size"], row["kept_at"])
        return state, row["now"]

    async def publish(self, checkpoint: SignedCheckpoint) -> None:
        """Put it in place of the epoch's newest checkpoint; the database refuses one that goes back."""
        await self._connection.execute(_PUBLISH, *_values(checkpoint))

    async def keep(self, checkpoint: SignedCheckpoint) -> None:
        """Keep it for ever, and tell `audit.checkpoint.signed.v1`."""
        await self._connection.execute(_KEEP, *_values(checkpoint))
        fact = CheckpointSigned(
            epoch=checkpoint.epoch,
            origin=checkpoint.origin,
            size=checkpoint.size,
            root_sha256=checkpoint.root.hex(),
            signed_at=checkpoint.signed_at,
        )
        self._transaction.emit(fact, subject=f"epoch/{checkpoint.epoch}", actor=ACTOR)


def _values(checkpoint: SignedCheckpoint) -> tuple[object, ...]:
    return (checkpoint.epoch, checkpoint.size, checkpoint.root, checkpoint.note, checkpoint.signed_at)


async def tiles_at(connection: Connection, epoch: int, tiles: Sequence[TileId]) -> dict[TileId, bytes]:
    """Return full tiles; those that are not there are left out."""
    if not tiles:
        return {}
    rows = await connection.fetch(_TILES, epoch, [tile.level for tile in tiles], [tile.index for tile in tiles])
    return {TileId(row["level"], row["tile_index"]): row["hashes"] for row in rows}
