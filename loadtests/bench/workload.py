"""The events all benchmarks of messaging use: reservations of many people, each with the trace of its own request."""

import json
import random
import uuid
from datetime import UTC, datetime, timedelta

from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from yoyaku.contracts.booking_v1 import ReservationConfirmed
from yoyaku.messaging.ids import new_event_id
from yoyaku.messaging.outbox import Outbox
from yoyaku.postgres.pool import connected_pool
from yoyaku.postgres.settings import PostgresSettings

EVENTS_A_TRANSACTION = 100
STARTS_AT = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def reservation() -> ReservationConfirmed:
    return ReservationConfirmed(
        reservation_id=str(uuid.uuid4()),
        room_id=1,
        person_id=str(uuid.uuid4()),
        starts_at=STARTS_AT,
        ends_at=STARTS_AT + timedelta(hours=1),
    )


async def fill_outbox(settings: PostgresSettings, service: str, events: int, sample_ratio: float) -> None:
    """Commit events of as many aggregates, a share of them with a sampled trace."""
    chance = random.Random(1)
    outbox = Outbox(service=service, new_id=new_event_id, now=lambda: datetime.now(UTC))
    async with connected_pool(settings, application_name="bench writer") as pool:
        for _ in range(events // EVENTS_A_TRANSACTION):
            async with outbox.transaction(pool) as tx:
                for _ in range(EVENTS_A_TRANSACTION):
                    event = reservation()
                    flags = TraceFlags(TraceFlags.SAMPLED if chance.random() < sample_ratio else TraceFlags.DEFAULT)
                    context = SpanContext(chance.getrandbits(128), chance.getrandbits(64), False, flags)
                    with trace.use_span(NonRecordingSpan(context)):
                        tx.emit(event, subject=f"reservation/{event.reservation_id}", actor=f"person/{event.person_id}")


async def stored_messages(settings: PostgresSettings) -> list[tuple[str, bytes, dict[str, str]]]:
    """Read the outbox as (subject, body, headers), as a publisher without an outbox would have them in memory."""
    async with connected_pool(settings, application_name="bench reader") as pool:
        rows = await pool.fetch("SELECT number, type, headers::text AS headers, body, traceparent FROM outbox_event")
    messages = []
    for row in rows:
        headers = json.loads(row["headers"])
        headers |= {
            "ce-sequence": str(row["number"]),
            "Nats-Msg-Id": str(uuid.uuid4()),
            "traceparent": row["traceparent"],
        }
        messages.append((row["type"], row["body"], headers))
    return messages
