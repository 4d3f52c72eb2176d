"""Puts completeness together: what a term of a leader does for it, and what any replica tells of it."""

import asyncio
import time
from datetime import timedelta
from typing import Final

from yoyaku.audit_log.adapters.nats.outboxes import SOURCES, BusOutboxes
from yoyaku.audit_log.adapters.nats.stream_progress import StreamProgress
from yoyaku.audit_log.adapters.postgres.completeness import PostgresCompleteness, PostgresCompletenessPages
from yoyaku.audit_log.completeness_gauges import GAUGES
from yoyaku.audit_log.entrypoints.completeness import CompletenessPart, CompletenessRounds
from yoyaku.audit_log.settings import AuditLogSettings
from yoyaku.audit_log.usecases.ask_again import AskAgain
from yoyaku.audit_log.usecases.check_completeness import CheckCompleteness
from yoyaku.audit_log.usecases.state_completeness import StateCompleteness
from yoyaku.audit_log.usecases.tell_completeness import TellCompleteness
from yoyaku.audit_log.wiring.term import LeaderWork, Term
from yoyaku.lifecycle.process import utc_now
from yoyaku.messaging.broker import ServiceBroker
from yoyaku.messaging.outbox import Outbox
from yoyaku.postgres.pool import Pool

OWN_SOURCES: Final = "/audit-log/"


def completeness_work(settings: AuditLogSettings, pool: Pool, outbox: Outbox, broker: ServiceBroker) -> LeaderWork:
    """Return what a leader does all through its term: look, ask again, state."""
    outboxes, streams = BusOutboxes(broker), StreamProgress(broker)
    pause = timedelta(seconds=settings.completeness_every_seconds)

    async def work(term: Term, ended: asyncio.Event) -> None:
        book = PostgresCompleteness(pool, outbox, term.lease)
        rounds = CompletenessRounds(
            check=CheckCompleteness(
                book,
                outboxes,
                streams,
                sources=SOURCES,
                grace_seconds=settings.completeness_grace_seconds,
                now=utc_now,
                seconds=time.monotonic,
            ),
            ask_again=AskAgain(book, outboxes, first_pause=pause, now=utc_now),
            state=StateCompleteness(
                book,
                sources=SOURCES,
                own_sources=OWN_SOURCES,
                every=timedelta(seconds=settings.completeness_statement_seconds),
                now=utc_now,
            ),
            tell=TellCompleteness(book, sources=SOURCES),
            gauges=GAUGES,
            now=utc_now,
            every_seconds=settings.completeness_every_seconds,
        )
        await rounds.run(ended)

    return work


def completeness_part(pool: Pool) -> CompletenessPart:
    """Return what answers the part `completeness` of `rpc.audit-log.status.v1`."""
    return CompletenessPart(TellCompleteness(PostgresCompletenessPages(pool), sources=SOURCES))
