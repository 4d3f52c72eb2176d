"""Remembering who read what: a fact in the outbox, committed before anything is shown."""

from typing import Final

from yoyaku.audit_log.usecases.reader_ports import Read, ReadNotRecordedError
from yoyaku.contracts.audit_v1 import LogRead
from yoyaku.contracts.envelope import EnvelopeError
from yoyaku.messaging.outbox import EventTooLargeError, Outbox
from yoyaku.postgres.errors import PostgresError
from yoyaku.postgres.pool import Pool

_LONGEST_SUBJECT: Final = 200


class PostgresReads:
    """Writes `audit.log.read.v1`."""

    def __init__(self, pool: Pool, outbox: Outbox) -> None:
        self._pool = pool
        self._outbox = outbox

    async def record(self, read: Read) -> None:
        """Record a read; when this returns it is committed. Raises ReadNotRecordedError."""
        event = LogRead(
            reader=read.reader,
            kind=read.kind,
            filters=read.filters,
            entry_count=len(read.positions),
            first_position=min(read.positions, default=None),
            last_position=max(read.positions, default=None),
        )
        try:
            async with self._outbox.transaction(self._pool) as transaction:
                transaction.emit(
                    event,
                    subject=read.subject[:_LONGEST_SUBJECT],
                    actor=read.reader,
                    client_address=read.client_address,
                )
        except (PostgresError, EventTooLargeError, EnvelopeError) as error:
            raise ReadNotRecordedError(str(error)) from error
