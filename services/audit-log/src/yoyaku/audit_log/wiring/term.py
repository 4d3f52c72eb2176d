"""What a leader does, from taking the lead to losing it: the log is made ready, then everything works side by side.

Invariant: nothing is recorded before the log was made ready; all that a term does ends with it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from loguru import logger

from yoyaku.audit_log.adapters.postgres.log import PostgresLog
from yoyaku.audit_log.adapters.postgres.personal_keys import check_master_key
from yoyaku.audit_log.entrypoints.sequencer import Sequencer
from yoyaku.audit_log.settings import AuditLogSettings
from yoyaku.audit_log.usecases.begin_term import BeginTerm
from yoyaku.audit_log.usecases.growing_tree import GrowingTree
from yoyaku.audit_log.usecases.key_ports import KeyUnusableError
from yoyaku.audit_log.usecases.ports import DamagedLogError
from yoyaku.audit_log.usecases.record_facts import RecordFacts
from yoyaku.audit_log.usecases.sign_checkpoint import SignCheckpoint
from yoyaku.audit_log.usecases.take_over import TakeOver
from yoyaku.audit_log.wiring.personal import PersonalData
from yoyaku.audit_log.wiring.secrets import Secrets
from yoyaku.messaging.condition import Condition
from yoyaku.messaging.leadership import LeadershipLostError, Lease
from yoyaku.messaging.outbox import Outbox
from yoyaku.messaging.waiting import set_within
from yoyaku.postgres.errors import (
    DatabaseUnavailableError,
    LockTimeoutError,
    SerializationError,
    StatementTimeoutError,
)
from yoyaku.postgres.pool import Pool
from yoyaku.tlog.errors import MalformedTileError

_AWAY: Final = (DatabaseUnavailableError, LockTimeoutError, StatementTimeoutError, SerializationError)
"""What passes by itself."""
AFTER_DAMAGE_SECONDS: Final = 1.0
"""Pause after a term that the log's own rows ended, so that what cannot be mended does not spin."""


@dataclass(frozen=True, slots=True)
class Term:
    """One term of one leader: what its parts share."""

    lease: Lease
    log: PostgresLog
    tree: GrowingTree
    sign: SignCheckpoint
    """Signs what is committed; with `keep=True` the checkpoint is kept for ever. Not before `may_sign` is set."""
    may_sign: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the log was compared with what is known of it outside; no checkpoint is signed before."""
    is_suspect: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when an epoch began because of a violation: the log is verified at once."""


Preparation = Callable[[Term], Awaitable[None]]
"""Done in order at the start of a term, before anything is recorded; begun anew when the database was away."""
LeaderWork = Callable[[Term, asyncio.Event], Coroutine[Any, Any, None]]
"""Goes on until its argument is set; waits out what may be away, and lets LeadershipLostError through."""


@dataclass(frozen=True, slots=True)
class Leading:
    """Runs terms; further parts of the service add their preparations and works in `service`."""

    settings: AuditLogSettings
    secrets: Secrets
    personal: PersonalData
    pool: Pool
    outbox: Outbox
    sequencer: Sequencer
    stop: asyncio.Event
    preparations: Sequence[Preparation] = field(default_factory=tuple)
    works: Sequence[LeaderWork] = field(default_factory=tuple)
    begin_anew: Preparation | None = None
    """Begins a new epoch when the tree of the present one cannot be read; none: the term fails."""

    async def lead(self, lease: Lease) -> None:
        """Lead until told to stop.

        Raises LeadershipLostError, alone or in a group, once the fence refuses; KeyUnusableError with another master
        key than before.
        """
        term = self._term(lease)
        if not await self._prepared(term):
            return
        ended = asyncio.Event()
        standing = self.sequencer.standing
        async with asyncio.TaskGroup() as tasks:
            for work in self.works:
                tasks.create_task(work(term, ended))
            try:
                await self.sequencer.run(lease, RecordFacts(term.log, term.tree, self.personal.personal))
            finally:
                ended.set()
                if standing.is_damaged:
                    await asyncio.sleep(AFTER_DAMAGE_SECONDS)

    def _term(self, lease: Lease) -> Term:
        log, tree = PostgresLog(self.pool, self.outbox, lease, self.personal.keys), GrowingTree()
        keep_every = timedelta(seconds=self.settings.checkpoint_keep_seconds)
        return Term(lease, log, tree, SignCheckpoint(log, tree, self.secrets.signing.of, keep_every))

    async def _begin(self, term: Term) -> None:
        """Load the tree; where its rows are gone, or others stand in its way, recording goes on in a new one."""
        begin = BeginTerm(term.log, term.tree, self.settings.environment)
        try:
            await begin()
        except (MalformedTileError, DamagedLogError) as damaged:
            if self.begin_anew is None:
                raise
            logger.bind(cause=str(damaged)).critical("the audit log cannot go on where it ends, a new tree begins")
            await self.begin_anew(term)
            await begin()

    async def _prepared(self, term: Term) -> bool:
        """Make the log ready, waiting for the database; False when told to stop before.

        Whatever else keeps the log from being made ready is told, shows in health, and is tried again: a process that
        ended for it would be started anew for ever, and answer no reader.
        """
        database = Condition(away="the term waits for the database", back="the term has the database back")
        damage = Condition(away="the term cannot begin", back="the term begins after all")
        while not self.stop.is_set():
            try:
                await self._prepare(term)
            except _AWAY as error:
                self.sequencer.standing.is_blocked(f"the term waits for the database: {error}")
                await set_within(self.stop, database.is_away(str(error)))
            except (LeadershipLostError, KeyUnusableError):
                raise
            except Exception as error:  # noqa: BLE001  whatever it is, recording must not end for good
                told = f"the log cannot be made ready: {type(error).__name__}: {error}"
                self.sequencer.standing.is_blocked(told)
                logger.bind(cause=str(error), error=type(error).__name__).error("the log cannot be made ready")
                await set_within(self.stop, damage.is_away(told))
            else:
                self.sequencer.standing.is_clear()
                database.is_back()
                damage.is_back()
                return True
        return False

    async def _prepare(self, term: Term) -> None:
        await check_master_key(self.pool, self.personal.keys.master)
        await self._begin(term)
        taken = await TakeOver(term.log, term.tree, self.personal.personal)()
        if taken:
            logger.bind(entries=taken).info("entries from before there was a tree were taken over")
        for prepare in self.preparations:
            await prepare(term)
