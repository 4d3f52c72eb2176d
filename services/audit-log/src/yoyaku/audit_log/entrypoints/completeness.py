"""Completeness on a schedule, for one term of a leader: look, ask again, state; and what any replica tells of it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from loguru import logger

from yoyaku.audit_log.completeness_gauges import CompletenessGauges
from yoyaku.audit_log.domain.completeness import GapReason
from yoyaku.audit_log.usecases.ask_again import AskAgain
from yoyaku.audit_log.usecases.check_completeness import CheckCompleteness, Look
from yoyaku.audit_log.usecases.completeness_ports import BusAwayError
from yoyaku.audit_log.usecases.state_completeness import StateCompleteness
from yoyaku.audit_log.usecases.tell_completeness import Completeness, TellCompleteness
from yoyaku.lifecycle.work import unless_stopped
from yoyaku.messaging.condition import Condition
from yoyaku.messaging.waiting import set_within
from yoyaku.postgres.errors import PostgresError

GAPS_TOLD: Final = 200
"""Of the open gaps, in an answer; `open_gaps` counts them all."""


@dataclass(slots=True)
class CompletenessRounds:
    """Rounds until the term ends; the first after one pause, since one look alone finds nothing."""

    check: CheckCompleteness
    ask_again: AskAgain
    state: StateCompleteness
    tell: TellCompleteness
    gauges: CompletenessGauges
    now: Callable[[], datetime]
    every_seconds: float

    async def run(self, ended: asyncio.Event) -> None:
        """Go round until `ended`. The bus or the database being away is waited out, with one warning.

        Raises LeadershipLostError when another process leads.
        """
        away = Condition(away="completeness cannot be checked now", back="completeness is checked again")
        try:
            while not await set_within(ended, self.every_seconds):
                try:
                    await unless_stopped(ended, self._round())
                    away.is_back()
                except (BusAwayError, PostgresError) as error:
                    away.is_away(str(error))
        finally:
            self.gauges.forget()

    async def _round(self) -> None:
        look = await self.check()
        _log(look)
        for source, numbers in (await self.ask_again()).lost:
            for first, last in numbers:
                _log_gap(source, GapReason.LOST_AT_SOURCE, first, last)
        await self.state()
        told = await self.tell()
        self.gauges.note(told.gaps, sources=len(told.sources), unanswered=len(look.unanswered), now=self.now())


def _log(look: Look) -> None:
    for source, reason, numbers in look.found:
        for first, last in numbers:
            _log_gap(source, reason, first, last)
    for gap, numbers, resolution in look.closed:
        for first, last in numbers:
            bound = logger.bind(source=gap.source, first_number=first, last_number=last, resolution=resolution.value)
            bound.info("a gap in the numbers of a source is closed")


def _log_gap(source: str, reason: GapReason, first: int, last: int) -> None:
    bound = logger.bind(source=source, first_number=first, last_number=last, reason=reason.value)
    bound.error("numbers of a source are missing in the audit log")


class CompletenessPart:
    """The part `completeness` of `rpc.audit-log.status.v1`."""

    def __init__(self, tell: TellCompleteness) -> None:
        self._tell = tell

    async def __call__(self) -> dict[str, Any]:
        """Return a JSON object; moments in RFC 3339, numbers by source."""
        return as_json(await self._tell())


def as_json(told: Completeness) -> dict[str, Any]:
    """Write it as JSON: `open_gaps` counts all gaps, `gaps` names the oldest of them."""
    standing = told.standing
    return {
        "looked_at": _moment(standing.looked_at),
        "stated_at": _moment(standing.stated_at),
        "unanswered": list(standing.unanswered),
        "open_gaps": len(told.gaps),
        "sources": [
            {
                "source": state.source,
                "complete_to": reached.complete_to,
                "highest": state.highest,
                "lost": reached.lost,
                "stated_to": state.stated_to,
            }
            for state, reached in told.sources
        ],
        "gaps": [
            {
                "source": gap.source,
                "first_number": gap.interval.first,
                "last_number": gap.interval.last,
                "reason": gap.reason.value,
                "found_at": _moment(gap.found_at),
                "asked_at": _moment(gap.asked_at),
                "asked_count": gap.asked_count,
            }
            for gap in told.gaps[:GAPS_TOLD]
        ],
    }


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
