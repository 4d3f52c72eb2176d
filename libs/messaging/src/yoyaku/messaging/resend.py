"""What an outbox answers to who compares numbers: how far it counted, and events of it again (EV-03, AU-04).

Invariants: what is sent again has the headers and the body of its row, so that whoever handled it knows it by its
`ce-id`; only its message id is new, or the stream would swallow it within the duplicate window. Nothing is sent that
the relay has not published before, so the order in which a shard was first published stays the relay's alone.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

import nats.errors
from loguru import logger

from yoyaku.contracts.rpc import (
    OutboxResendReply,
    OutboxResendRequest,
    OutboxShardStatus,
    OutboxStatusReply,
    OutboxStatusRequest,
)
from yoyaku.contracts.subjects import outbox_resend_subject, outbox_status_subject
from yoyaku.messaging.broker import ServiceBroker
from yoyaku.messaging.ids import new_event_id
from yoyaku.messaging.outbox import SHARDS, source_of
from yoyaku.messaging.publish_spans import end_publish_span
from yoyaku.messaging.publishing import PipelinedPublisher, connection_of
from yoyaku.messaging.relay_round import message_of
from yoyaku.messaging.rpc import RpcFailedError, serve
from yoyaku.postgres.pool import Pool
from yoyaku.postgres.transaction import transaction

NUMBERS_A_REQUEST: Final = 500
ROWS_A_BATCH: Final = 50
"""Read and published at a time: at most 25 MiB, whatever the bodies hold."""

UNKNOWN_SOURCE: Final = "unknown_source"
TOO_MANY_NUMBERS: Final = "too_many_numbers"
NOT_PUBLISHED: Final = "not_published"

_STATUS: Final = """
SELECT s.shard, s.last_number, c.published_number, first_waiting.number AS first_waiting_number,
       (SELECT min(e.number) FROM outbox_event AS e WHERE e.shard = s.shard) AS oldest_kept_number
FROM outbox_shard AS s
JOIN outbox_cursor AS c ON c.shard = s.shard
LEFT JOIN LATERAL (
    SELECT min(e.number) AS number FROM outbox_event AS e
    WHERE s.last_number > c.published_number AND e.shard = s.shard AND e.number > c.published_number
      AND e.day BETWEEN c.published_day AND s.last_day
) AS first_waiting ON true
WHERE s.last_number > 0
ORDER BY s.shard
"""
_CURSOR: Final = "SELECT published_number FROM outbox_cursor WHERE shard = $1"
_ROWS: Final = """
SELECT shard, number, type, headers::text AS headers, body, traceparent FROM outbox_event
WHERE shard = $1 AND number BETWEEN $2 AND $3
ORDER BY number
"""


def serve_outbox(pool: Pool, broker: ServiceBroker, *, service: str) -> None:
    """Answer both questions about the service's outbox once the broker is started; any of its processes does."""
    answers = OutboxAnswers(pool, broker, service=service)
    serve(broker, outbox_status_subject(service), OutboxStatusRequest, answers.status)
    serve(broker, outbox_resend_subject(service), OutboxResendRequest, answers.resend)


class OutboxAnswers:
    """The answers of one service's outbox."""

    def __init__(
        self, pool: Pool, broker: ServiceBroker, *, service: str, new_message_id: Callable[[], str] = new_event_id
    ) -> None:
        self._pool = pool
        self._broker = broker
        self._shard_of_source = {source_of(service, shard): shard for shard in range(SHARDS)}
        self._source_of_shard = {shard: source for source, shard in self._shard_of_source.items()}
        self._new_message_id = new_message_id
        self._one_at_a_time = asyncio.Lock()

    async def status(self, _: OutboxStatusRequest) -> OutboxStatusReply:
        """Tell every shard that has numbered something, all of them as of one moment."""
        async with transaction(self._pool, read_only=True) as connection:
            rows = await connection.fetch(_STATUS)
        return OutboxStatusReply(
            shards=tuple(
                OutboxShardStatus(
                    source=self._source_of_shard[row["shard"]],
                    last_number=row["last_number"],
                    published_number=row["published_number"],
                    first_waiting_number=row["first_waiting_number"],
                    oldest_kept_number=row["oldest_kept_number"],
                )
                for row in rows
            )
        )

    async def resend(self, request: OutboxResendRequest) -> OutboxResendReply:
        """Publish numbers of one shard again, in their order; return when the stream has acknowledged all of them.

        Safe to ask again at any time. Raises RpcFailedError: `unknown_source`, `too_many_numbers`, or `not_published`
        when the stream does not take one (those before it are published).
        """
        shard = self._shard_of_source.get(request.source)
        if shard is None:
            raise RpcFailedError(UNKNOWN_SOURCE, f"{request.source} is no source of this service")
        asked = request.last_number - request.first_number + 1
        if asked > NUMBERS_A_REQUEST:
            raise RpcFailedError(TOO_MANY_NUMBERS, f"{asked} numbers, at most {NUMBERS_A_REQUEST} a request")
        async with self._one_at_a_time:
            async with transaction(self._pool, read_only=True) as connection:
                published = int(await connection.fetchval(_CURSOR, shard))
            reply = await self._resend(shard, request.first_number, min(request.last_number, published), published)
        logger.bind(
            source=request.source,
            first_number=request.first_number,
            last_number=request.last_number,
            resent=reply.resent_count,
            lost=len(reply.lost_numbers),
            requested_by=request.requested_by,
        ).info("events are published again")
        return reply

    async def _resend(self, shard: int, first: int, last: int, published: int) -> OutboxResendReply:
        client = connection_of(self._broker)
        if client is None:
            raise RpcFailedError(NOT_PUBLISHED, "the bus is away")
        publisher = PipelinedPublisher(client)
        lost: list[int] = []
        resent = 0
        try:
            await publisher.open()
            for begin in range(first, last + 1, ROWS_A_BATCH):
                end = min(begin + ROWS_A_BATCH - 1, last)
                async with transaction(self._pool, read_only=True) as connection:
                    rows = await connection.fetch(_ROWS, shard, begin, end)
                await self._publish(publisher, rows)
                resent += len(rows)
                lost += sorted(set(range(begin, end + 1)) - {row["number"] for row in rows})
        except nats.errors.Error as error:
            raise RpcFailedError(NOT_PUBLISHED, str(error) or type(error).__name__) from error
        finally:
            await publisher.close()
        return OutboxResendReply(resent_count=resent, published_number=published, lost_numbers=tuple(lost))

    async def _publish(self, publisher: PipelinedPublisher, rows: Sequence[Any]) -> None:
        made = [message_of(row, message_id=self._new_message_id()) for row in rows]
        outcomes = await publisher.publish([message for message, _ in made])
        for (_, span), outcome in zip(made, outcomes, strict=True):
            if span is not None:
                end_publish_span(span, outcome)
        for row, outcome in zip(rows, outcomes, strict=True):
            if outcome.failure is not None:
                raise RpcFailedError(NOT_PUBLISHED, f"number {row['number']}: {outcome.failure}")
