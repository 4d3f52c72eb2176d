"""What a leader does, from taking the lead to losing it: the log is made ready, then everything works side by side.

Invariant: nothing is recorded before the log was made ready; all that a term does ends with it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from loguru import logger

from yoyaku.audit_log.adapters.postgres.log import PostgresLog
from yoyaku.audit_log.adapters.postgres.personal_keys import check_master_key
from yoyaku.audit_log.entrypoints.sequencer import Sequencer
from yoyaku.audit_log.settings import AuditLogSettings
from yoyaku.audit_log.usecases.begin_term import BeginTerm
from yoyaku.audit_log.usecases.growing_tree import GrowingTree
from yoyaku.audit_log.usecases.record_facts import RecordFacts
from yoyaku.audit_log.usecases.sign_checkpoint import SignCheckpoint
from yoyaku.audit_log.usecases.take_over import TakeOver
from yoyaku.audit_log.wiring.personal import PersonalData
from yoyaku.audit_log.wiring.secrets import Secrets
from yoyaku.messaging.condition import Condition
from yoyaku.messaging.leadership import Lease
from yoyaku.messaging.outbox import Outbox
from yoyaku.messaging.waiting import set_within
from yoyaku.postgres.errors import PostgresError
from yoyaku.postgres.pool import Pool
from yoyaku.tlog.errors import MalformedTileError


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
        async with asyncio.TaskGroup() as tasks:
            for work in self.works:
                tasks.create_task(work(term, ended))
            try:
                await self.sequencer.run(lease, RecordFacts(term.log, term.tree, self.personal.personal))
            finally:
                ended.set()

    def _term(self, lease: Lease) -> Term:
        log, tree = PostgresLog(self.pool, self.outbox, lease, self.personal.keys), GrowingTree()
        keep_every = timedelta(seconds=self.settings.checkpoint_keep_seconds)
        return Term(lease, log, tree, SignCheckpoint(log, tree, self.secrets.signing.of, keep_every))

    async def _begin(self, term: Term) -> None:
        """Load the tree; where rows that it is made of are gone, recording goes on in a new one."""
        begin = BeginTerm(term.log, term.tree, self.settings.environment)
        try:
            await begin()
        except MalformedTileError as damaged:
            if self.begin_anew is None:
                raise
            logger.bind(cause=str(damaged)).critical("the tree of the audit log cannot be read, a new one begins")
            await self.begin_anew(term)
            await begin()

    async def _prepared(self, term: Term) -> bool:
        """Make the log ready, waiting for the database; False when told to stop before."""
        database = Condition(away="the term waits for the database", back="the term has the database back")
        while not self.stop.is_set():
            try:
                await check_master_key(self.pool, self.personal.keys.master)
                await self._begin(term)
                taken = await TakeOver(term.log, term.tree, self.personal.personal)()
                if taken:
                    logger.bind(entries=taken).info("entries from before there was a tree were taken over")
                for prepare in self.preparations:
                    await prepare(term)
            except PostgresError as error:
                await set_within(self.stop, database.is_away(str(error)))
            else:
                database.is_back()
                return True
        return False
