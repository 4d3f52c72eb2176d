"""State, as an entry, up to which number of each source the log is complete."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from yoyaku.audit_log.domain.completeness import GapReason, Reached
from yoyaku.audit_log.usecases.completeness_ports import (
    Book,
    Gap,
    SourceState,
    Standing,
    Statement,
    reached_by_source,
)

OWN_TALK: Final = ("audit.completeness.stated.v1", "audit.log.read.v1", "audit.log.verified.v1")
"""Entries that follow from looking at the log: a statement because of them would have the log talk to itself."""


class StateCompleteness:
    """Makes a statement when one is due and there is something to state."""

    def __init__(
        self,
        book: Book,
        *,
        sources: Sequence[str],
        own_sources: str,
        every: timedelta,
        now: Callable[[], datetime],
    ) -> None:
        """`own_sources`: how the sources of the audit log itself begin."""
        self._book = book
        self._sources = sources
        self._own_sources = own_sources
        self._every = every
        self._now = now
        self._quiet_to = 0

    async def __call__(self) -> Statement | None:
        """State what changed since the last statement; none when nothing did, or it was made too short a time ago.

        Raises as transactions of the leader do.
        """
        standing = await self._book.standing()
        now = self._now()
        if standing.stated_at is not None and now - standing.stated_at < self._every:
            return None
        gaps = await self._book.open_gaps()
        statement = _statement(await self._book.sources(self._sources), gaps)
        if not statement.complete_to or not await self._is_worth_it(statement, standing):
            return None
        async with self._book.transaction() as transaction:
            await transaction.state(statement, now, standing.next_position)
        return statement

    async def _is_worth_it(self, statement: Statement, standing: Standing) -> bool:
        """Whether anything moved but the log's own talk about itself."""
        if any(not source.startswith(self._own_sources) for source in statement.complete_to):
            return True
        begin = max(standing.stated_position, self._quiet_to)
        if await self._book.has_moved(begin, standing.stated_at, OWN_TALK):
            return True
        self._quiet_to = standing.next_position
        return False


def _statement(states: Sequence[SourceState], gaps: Sequence[Gap]) -> Statement:
    reached = reached_by_source(states, gaps)
    changed = {
        state.source: reached[state.source]
        for state in states
        if reached[state.source] != Reached(state.stated_to, state.stated_lost)
    }
    return Statement(
        complete_to={source: one.complete_to for source, one in changed.items()},
        lost={source: one.lost for source, one in changed.items() if one.lost},
        open_gaps=sum(1 for gap in gaps if gap.reason is not GapReason.LOST_AT_SOURCE),
    )
