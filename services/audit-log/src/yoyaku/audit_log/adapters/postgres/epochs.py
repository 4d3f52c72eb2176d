"""Epochs in PostgreSQL: the end of the log, held, and a new tree begun at it.

Invariant: an epoch, its first entry and the fact of a violation are committed together; nobody appends in between.
"""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from yoyaku.audit_log.adapters.postgres import epoch_evidence
from yoyaku.audit_log.adapters.postgres.epoch_evidence import KeysOf
from yoyaku.audit_log.adapters.postgres.log import PostgresLogTransaction
from yoyaku.audit_log.adapters.postgres.newest_epoch import NEWEST_FIRST
from yoyaku.audit_log.adapters.postgres.obstacles import FURTHEST, clear_position, obstacles
from yoyaku.audit_log.domain.epochs import Contradiction, Divergence, KnownCheckpoint, Stated
from yoyaku.audit_log.domain.fact import Fact, Origin, readable_fact
from yoyaku.audit_log.domain.leaf import leaf_of
from yoyaku.audit_log.domain.new_entry import Epoch, NewEntry
from yoyaku.audit_log.domain.result import result_of
from yoyaku.audit_log.domain.sequence import FactDigest
from yoyaku.audit_log.usecases.growing_tree import NoEpochError
from yoyaku.audit_log.usecases.ports import Head
from yoyaku.audit_log.usecases.reconcile import Abandoned
from yoyaku.audit_log.usecases.trees import IncompleteTreeError
from yoyaku.contracts.audit_v1 import EpochOpened, IntegrityViolated
from yoyaku.contracts.registry import dataschema, encode
from yoyaku.messaging.leadership import Lease
from yoyaku.messaging.outbox import Outbox, OutboxTransaction
from yoyaku.postgres.pool import Pool
from yoyaku.postgres.transaction import transaction
from yoyaku.tlog.checkpoint import Checkpoint
from yoyaku.tlog.errors import MalformedTileError

ACTOR: Final = "service/audit-log"
SOURCE: Final = "/audit-log/epochs"
"""The source of the first entries of epochs: each is numbered by its epoch. They come from no outbox."""
INSERTED: Final = "entry_inserted"
"""The kind of violation when rows stand where the log has not been yet, or its head is not its end."""
_LONGEST_NOTE: Final = 8000
"""Of a stored note that is taken over: whoever writes into the database must not keep a new tree from beginning."""
_NO_STREAM: Final = "none"
_UNKNOWN: Final = "0" * 64

_NEWEST: Final = f"""
SELECT e.epoch, e.origin, e.first_position, e.opened_at,
       greatest(coalesce(h.next_position - e.first_position, 0), 0) AS size
  FROM audit_epoch e LEFT JOIN audit_head h ON true ORDER BY {NEWEST_FIRST} LIMIT 1
"""  # noqa: S608 - constants
_SIGNED: Final = """
SELECT c.epoch, c.size, c.root, c.note FROM audit_checkpoint_latest c JOIN audit_epoch e USING (epoch)
 WHERE e.origin = $1
"""
_RESTORE_HEAD: Final = "SELECT audit_restore_head()"


class PostgresEpochs:
    """The log's trees, for as long as the lease is held."""

    def __init__(self, pool: Pool, outbox: Outbox, lease: Lease, keys_of: KeysOf = lambda _: ()) -> None:
        """`keys_of`: the log's public keys; without any, no log of another environment is believed to be one."""
        self._keys_of = keys_of
        self._pool = pool
        self._outbox = outbox
        self._lease = lease

    async def newest(self) -> tuple[Epoch, int]:
        """Return the newest epoch, and how many entries it has.

        Raises NoEpochError before the first, and the errors of yoyaku.postgres.
        """
        async with transaction(self._pool, read_only=True) as connection:
            row = await connection.fetchrow(_NEWEST)
        if row is None:
            raise NoEpochError("no epoch of the audit log is open")
        return Epoch(row["epoch"], row["origin"], row["first_position"], row["opened_at"]), row["size"]

    async def numbers(self) -> frozenset[int]:
        """Return every number of an epoch that stands anywhere. Raises the errors of yoyaku.postgres."""
        async with transaction(self._pool, read_only=True) as connection:
            return await epoch_evidence.numbers(connection, SOURCE)

    @asynccontextmanager
    async def held(self) -> AsyncIterator["PostgresHeldLog"]:
        """Hold the end of the log for one transaction. Raises LeadershipLostError and as `newest`."""
        async with self._outbox.transaction(self._pool) as outgoing:
            await self._lease.fence(outgoing.connection)
            log = PostgresLogTransaction(outgoing)
            restored = await outgoing.connection.fetchval(_RESTORE_HEAD)
            head = await log.hold_head()
            epoch = await log.tree.newest_epoch()
            if epoch is None:
                raise NoEpochError("no epoch of the audit log is open")
            in_the_way = await obstacles(outgoing.connection, head.next_position)
            damage = "; ".join(told for told in (restored, in_the_way) if told) or None
            yield PostgresHeldLog(outgoing, log, head, epoch, keys_of=self._keys_of, damage=damage)


class PostgresHeldLog:
    """The end of the log in one transaction."""

    def __init__(
        self,
        outgoing: OutboxTransaction,
        log: PostgresLogTransaction,
        head: Head,
        epoch: Epoch,
        *,
        keys_of: KeysOf,
        damage: str | None = None,
    ) -> None:
        """`damage`: what is wrong with the end of the log, for people."""
        self._damage = damage
        self._keys_of = keys_of
        self._outgoing = outgoing
        self._log = log
        self._head = head
        self.epoch = epoch
        self.size = max(0, head.next_position - epoch.first_position)

    @property
    def _end(self) -> int:
        """Where the next epoch begins, unless something stands there: an epoch far beyond the head is not believed."""
        head, begin = self._head.next_position, self.epoch.first_position
        return begin if head < begin < head + FURTHEST else head

    async def root(self, size: int) -> bytes:
        """Compute the root at a size up to `size`. Raises IncompleteTreeError when rows are gone."""
        try:
            return (await self._log.tree.load_tree(self.epoch, size)).root()
        except MalformedTileError as gone:
            raise IncompleteTreeError(f"epoch {self.epoch.number} at size {size}: {gone}") from gone

    async def stated(self) -> Stated:
        """Return what the database says of its epochs beside the newest row."""
        return await epoch_evidence.stated(self._outgoing.connection, self.epoch, SOURCE, self._keys_of)

    async def open_epoch(self, why: Contradiction, origin: str, abandoned: Abandoned) -> Epoch:
        """Begin a tree at the next position that is free, with the fact of it as its first entry; tell a violation."""
        first_position = await clear_position(self._outgoing.connection, self._end)
        opened = Epoch(why.next_epoch, origin, first_position, self._head.recorded_at)
        fact = EpochOpened(
            epoch=opened.number,
            origin=origin,
            first_position=opened.first_position,
            previous_checkpoint=why.known.note if why.known else await self._last_word(abandoned),
            abandoned_size=abandoned.size,
            abandoned_root_sha256=abandoned.root.hex(),
        )
        await self._log.tree.open_epoch(opened)
        await self._log.append([_first_entry(opened, fact)], known_already=True)
        if why.divergence.is_violation:
            await self._tell(why, opened, abandoned)
        return opened

    async def _last_word(self, abandoned: Abandoned) -> str:
        """Give the newest checkpoint that the abandoned tree has; its unsigned text when none was ever signed."""
        row = await self._outgoing.connection.fetchrow(_SIGNED, self.epoch.origin)
        if row and len(row["note"]) <= _LONGEST_NOTE:
            return str(row["note"])
        is_odd = row is not None or not re.fullmatch(r"[!-~]{1,200}", self.epoch.origin)
        origin = f"unknown/{self.epoch.number}" if is_odd else self.epoch.origin
        return Checkpoint(origin, abandoned.size, abandoned.root).text()

    async def _tell(self, why: Contradiction, opened: Epoch, abandoned: Abandoned) -> None:
        known = why.known
        told = (
            f"{known.known_by} knows size {known.size} of epoch {known.epoch}" if known else "nobody knows a checkpoint"
        )
        event = IntegrityViolated(
            kind=self._kind(why),
            event_id=_event_id(opened),
            source=self.epoch.origin[:200] or "unknown",
            number=known.size if known else self.size,
            expected_sha256=known.root.hex() if known else _UNKNOWN,
            found_sha256=(await self._root_beside(why) or abandoned.root).hex(),
            position=opened.first_position,
            detail=f"{told}; the database counts {self.size} entries of epoch {self.epoch.number}, and has the tree "
            f"over {abandoned.size} of them. Epoch {opened.number} begins.{self._told_damage(why)}",
        )
        self._outgoing.emit(event, subject=f"epoch/{opened.number}", actor=ACTOR, causation_id=_event_id(opened))

    def _kind(self, why: Contradiction) -> str:
        """Name what was found: where something is in the way that is it, the tree itself can be read."""
        is_in_the_way = self._damage is not None and why.divergence is Divergence.DAMAGED
        return INSERTED if is_in_the_way else why.divergence.value

    def _told_damage(self, why: Contradiction) -> str:
        return "".join(f" {told[:300]}." for told in (why.detail, self._damage) if told)

    async def _root_beside(self, why: Contradiction) -> bytes | None:
        """Compute the tree's own root at the size of what is known; none when it has no such size, or it is gone."""
        known = why.known
        if known is None or known.epoch != self.epoch.number or known.size > self.size:
            return None
        try:
            return await self.root(known.size)
        except IncompleteTreeError:
            return None


class SignedInDatabase:
    """The newest checkpoint that the database itself says was signed: its entries must hold what it vouches for."""

    name: Final = "the database"
    is_awaited: Final = True

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def newest(self, origin: str, size: int) -> KnownCheckpoint | None:
        """Return the newest signed checkpoint of an origin. Raises the errors of yoyaku.postgres."""
        async with transaction(self._pool, read_only=True) as connection:
            row = await connection.fetchrow(_SIGNED, origin)
        return KnownCheckpoint(row["epoch"], row["size"], row["root"], row["note"], self.name) if row else None


def _event_id(epoch: Epoch) -> str:
    """Give the id of an epoch's first fact: the same for the same origin, wherever it is computed."""
    return str(uuid5(NAMESPACE_URL, epoch.origin))


def _first_entry(epoch: Epoch, opened: EpochOpened) -> NewEntry:
    fact = _fact(epoch, opened)
    written = leaf_of(fact, epoch.first_position, epoch.opened_at)
    return NewEntry(
        position=epoch.first_position,
        recorded_at=epoch.opened_at,
        epoch=epoch.number,
        written=written,
        leaf_hash=written.hash,
        fact=fact,
        result=result_of(fact.type),
        digest=FactDigest(fact.fact_sha256),
        client=None,
    )


def _fact(epoch: Epoch, opened: EpochOpened) -> Fact:
    return readable_fact(
        source=SOURCE,
        number=epoch.number,
        event_id=_event_id(epoch),
        type=EpochOpened.TYPE,
        occurred_at=epoch.opened_at,
        actor=ACTOR,
        subject=f"epoch/{epoch.number}",
        correlation_id=_event_id(epoch),
        causation_id=None,
        client_address=None,
        dataschema=dataschema(EpochOpened.TYPE),
        traceparent=None,
        body=encode(opened),
        headers={},
        origin=Origin(_NO_STREAM, 0),
    )
