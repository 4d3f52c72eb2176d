"""Ask producers to publish missing numbers again, at once and then ever more rarely, and learn what they have lost."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from yoyaku.audit_log.domain.completeness import NOTHING, GapReason, Resolution, is_due
from yoyaku.audit_log.domain.numbers import Interval, Numbers
from yoyaku.audit_log.usecases.completeness_ports import Book, Gap, Outboxes

WISHES_A_TIME: Final = 40
"""However much is missing, the rest is asked for the next time."""


@dataclass(slots=True)
class Asked:
    """How many gaps were asked about, and what turned out to be lost, by source."""

    gaps: int = 0
    lost: list[tuple[str, Numbers]] = field(default_factory=list)


class AskAgain:
    """Asks about every gap that is due."""

    def __init__(self, book: Book, outboxes: Outboxes, *, first_pause: timedelta, now: Callable[[], datetime]) -> None:
        self._book = book
        self._outboxes = outboxes
        self._first_pause = first_pause
        self._now = now

    async def __call__(self) -> Asked:
        """Ask. A producer that cannot answer is asked the next time. Raises as transactions of the leader do."""
        asked = Asked()
        wishes = WISHES_A_TIME
        for gap in await self._book.open_gaps():
            due = gap.reason.is_hopeful and is_due(self._now(), gap.asked_at, gap.asked_count, self._first_pause)
            if not due or wishes <= 0:
                continue
            made, lost = await self._ask(gap, wishes)
            wishes -= max(1, made)
            if made:
                await self._note(gap, lost)
                asked.gaps += 1
                if lost:
                    asked.lost.append((gap.source, lost))
        return asked

    async def _ask(self, gap: Gap, wishes: int) -> tuple[int, Numbers]:
        """Make up to `wishes` wishes; return how many were met, and the numbers that are lost."""
        lost = NOTHING
        made = 0
        first, size = gap.interval.first, self._outboxes.numbers_a_wish
        while first <= gap.interval.last and made < wishes:
            last = min(first + size - 1, gap.interval.last)
            answer = await self._outboxes.resend(gap.source, Interval(first, last))
            if answer is None:
                break
            made += 1
            lost = lost | answer.lost
            if answer.published < last:
                break
            first = last + 1
        return made, lost & Numbers.of([gap.interval])

    async def _note(self, gap: Gap, lost: Numbers) -> None:
        now = self._now()
        async with self._book.transaction() as transaction:
            await transaction.note_asked(gap, now)
            if lost:
                await transaction.close_gap(gap, lost, Resolution.LOST, now)
                await transaction.open_gap(gap.source, GapReason.LOST_AT_SOURCE, lost, now)
