"""The outboxes of the services that number events, asked over the bus (`yoyaku.messaging.resend` answers)."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from loguru import logger

from yoyaku.audit_log.domain.completeness import Counted
from yoyaku.audit_log.domain.numbers import Interval, Numbers
from yoyaku.audit_log.usecases.completeness_ports import Resent
from yoyaku.contracts.rpc import (
    OUTBOX_SERVICES,
    OutboxResendReply,
    OutboxResendRequest,
    OutboxStatusReply,
    OutboxStatusRequest,
)
from yoyaku.contracts.subjects import outbox_resend_subject, outbox_status_subject
from yoyaku.messaging.broker import ServiceBroker
from yoyaku.messaging.outbox import SHARDS, source_of
from yoyaku.messaging.resend import NUMBERS_A_REQUEST
from yoyaku.messaging.rpc import RpcFailedError, RpcUnavailableError, request

ACTOR: Final = "service/audit-log"
RESEND_SECONDS: Final = 30.0
SOURCES: Final = tuple(source_of(service, shard) for service in OUTBOX_SERVICES for shard in range(SHARDS))
"""Every source that is numbered without a gap; what claims to be of another one is outside of completeness."""

_NOTHING_COUNTED: Final = Counted(last=0, published=0, first_waiting=None)


class BusOutboxes:
    """Asks any process of each service."""

    numbers_a_wish = NUMBERS_A_REQUEST

    def __init__(self, broker: ServiceBroker) -> None:
        self._broker = broker

    async def counted(self) -> tuple[Mapping[str, Counted], Sequence[str]]:
        """Ask all: what each source of those that answered counted, and the services that did not answer."""
        answers = await asyncio.gather(*(self._counted(service) for service in OUTBOX_SERVICES))
        found: dict[str, Counted] = {}
        unanswered = []
        for service, answer in zip(OUTBOX_SERVICES, answers, strict=True):
            if answer is None:
                unanswered.append(service)
                continue
            found |= {source_of(service, shard): _NOTHING_COUNTED for shard in range(SHARDS)}
            for shard in answer.shards:
                found[shard.source] = Counted(shard.last_number, shard.published_number, shard.first_waiting_number)
        return found, unanswered

    async def _counted(self, service: str) -> OutboxStatusReply | None:
        try:
            return await request(self._broker, outbox_status_subject(service), OutboxStatusRequest(), OutboxStatusReply)
        except (RpcUnavailableError, RpcFailedError) as error:
            logger.bind(asked=service, cause=str(error)).debug("an outbox did not say how far it counted")
            return None

    async def resend(self, source: str, interval: Interval) -> Resent | None:
        """Have numbers published again, at most `numbers_a_wish`; none when the service cannot now."""
        service = source.split("/")[1]
        wish = OutboxResendRequest(
            requested_by=ACTOR, source=source, first_number=interval.first, last_number=interval.last
        )
        subject = outbox_resend_subject(service)
        try:
            answer = await request(self._broker, subject, wish, OutboxResendReply, timeout_seconds=RESEND_SECONDS)
        except (RpcUnavailableError, RpcFailedError) as error:
            bound = logger.bind(asked=service, source=source, first_number=interval.first, cause=str(error))
            bound.warning("missing events could not be asked for, to be tried again")
            return None
        return Resent(answer.published_number, Numbers.of((number, number) for number in answer.lost_numbers))
