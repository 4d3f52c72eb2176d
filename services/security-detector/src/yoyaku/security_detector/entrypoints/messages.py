"""Events in: from the stream IDENTITY to the rules.

Invariant: an event is acknowledged only after the commit of what follows from it; a block is pushed right after.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

from loguru import logger

from yoyaku.contracts.identity_v1 import LoginFailed, LoginFailureReason
from yoyaku.messaging.leadership import LeadershipLostError
from yoyaku.messaging.outcomes import DependencyUnavailableError
from yoyaku.messaging.received import ReceivedEvent
from yoyaku.observability.tracing import TRACEPARENT, inject
from yoyaku.security_detector import telemetry
from yoyaku.security_detector.domain.block import Block
from yoyaku.security_detector.domain.failure import Failure
from yoyaku.security_detector.usecases.enforce_blocks import EnforceBlocks
from yoyaku.security_detector.usecases.judge_failures import JudgeFailures
from yoyaku.security_detector.usecases.ports import BucketAwayError


def to_failure(event: ReceivedEvent) -> Failure | None:
    """Make a failure of a failed sign-in; nothing of any other event, nor of a client that is blocked already."""
    if event.envelope is None or event.envelope.type != LoginFailed.TYPE:
        return None
    body = event.event()
    if not isinstance(body, LoginFailed) or body.reason is LoginFailureReason.BLOCKED:
        return None
    carrier: dict[str, str] = {}
    inject(carrier, event.context)
    return Failure(
        event_id=event.envelope.id,
        address=body.client_address,
        occurred_at=event.envelope.time,
        correlation_id=event.envelope.correlation_id,
        traceparent=carrier.get(TRACEPARENT),
    )


class OnIdentityEvents:
    """The handler of the detector's consumer."""

    def __init__(self, judge: JudgeFailures, enforce: EnforceBlocks, now: Callable[[], datetime]) -> None:
        self._judge = judge
        self._enforce = enforce
        self._now = now

    async def __call__(self, events: Sequence[ReceivedEvent]) -> None:
        """Judge a batch. Raises DependencyUnavailableError once another process leads: the events wait for that one."""
        failures = [failure for failure in map(to_failure, events) if failure is not None]
        if not failures:
            return
        try:
            judged = await self._judge(failures, self._now())
        except LeadershipLostError as lost:
            raise DependencyUnavailableError("another process leads") from lost
        if judged.blocks:
            await self._push(judged.blocks)
        telemetry.failures.add(judged.new_failures)
        for incident in judged.incidents:
            telemetry.incidents.add(1, {"rule": incident.rule})
            bound = logger.bind(rule=incident.rule, incident_id=incident.incident_id, client_address=incident.address)
            bound.warning("incident opened")

    async def _push(self, blocks: Sequence[Block]) -> None:
        try:
            await self._enforce.push(blocks, self._now())
        except BucketAwayError as error:
            logger.bind(blocks=len(blocks), cause=str(error)).warning("blocks wait for the bus to be pushed")
            return
        now = self._now()
        telemetry.blocks.add(len(blocks), {"outcome": "imposed"})
        for block in blocks:
            delay_seconds = (now - block.decided_at_event_time).total_seconds()
            telemetry.enforcement_delay.record(max(0.0, delay_seconds))
            logger.bind(block_id=block.block_id, client_address=block.value).info("block pushed")
