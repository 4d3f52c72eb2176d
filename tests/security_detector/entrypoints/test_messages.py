"""Which events feed the rule, and what the handler does when the bus or the lead is away."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest
from opentelemetry.context import Context

from yoyaku.contracts.envelope import Envelope, Event, to_headers
from yoyaku.contracts.identity_v1 import LoginFailed, LoginFailureReason, LoginSucceeded
from yoyaku.messaging.leadership import LeadershipLostError
from yoyaku.messaging.outcomes import DependencyUnavailableError
from yoyaku.messaging.received import ReceivedEvent
from yoyaku.observability.tracing import context_from
from yoyaku.security_detector.domain.block import Block
from yoyaku.security_detector.domain.failure import Failure
from yoyaku.security_detector.entrypoints.messages import OnIdentityEvents, to_failure
from yoyaku.security_detector.usecases.enforce_blocks import EnforceBlocks
from yoyaku.security_detector.usecases.judge_failures import Judged, JudgeFailures
from yoyaku.security_detector.usecases.ports import BucketAwayError

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def received(event: Event, *, context: Context | None = None) -> ReceivedEvent:
    envelope = Envelope(
        id="e1",
        source="/booking/07",
        type=event.TYPE,
        time=NOW,
        subject="login/1",
        sequence=1,
        actor="anonymous",
        correlation_id="c1",
        causation_id=None,
        client_address="203.0.113.9",
        dataschema="s",
    )
    return ReceivedEvent(
        envelope=envelope,
        problem=None,
        headers=to_headers(envelope),
        data=b"",
        subject=event.TYPE,
        stream="IDENTITY",
        stream_sequence=1,
        delivered_count=1,
        received_at=NOW,
        context=context or Context(),
        decoded=event,
    )


def failed(reason: LoginFailureReason) -> LoginFailed:
    return LoginFailed(user_id_digest="5f" * 32, person_id=None, client_address="::ffff:203.0.113.9", reason=reason)


@dataclass
class FakeJudge:
    blocks: Sequence[Block] = ()
    error: Exception | None = None
    judged: list[Failure] = field(default_factory=list)

    async def __call__(self, failures: Sequence[Failure], now: datetime) -> Judged:
        if self.error is not None:
            raise self.error
        self.judged.extend(failures)
        return Judged(len(failures), (), self.blocks)


@dataclass
class FakeEnforce:
    away: bool = False
    pushed: list[Block] = field(default_factory=list)

    async def push(self, blocks: Sequence[Block], now: datetime) -> None:
        if self.away:
            raise BucketAwayError("away")
        self.pushed.extend(blocks)


BLOCK = Block("b", "i", "203.0.113.9", NOW + timedelta(seconds=300), "r", "r", NOW)


def handler(judge: FakeJudge, enforce: FakeEnforce) -> OnIdentityEvents:
    return OnIdentityEvents(cast("JudgeFailures", judge), cast("EnforceBlocks", enforce), lambda: NOW)


@pytest.mark.requirement("SD-03")
@pytest.mark.parametrize("reason", LoginFailureReason)
def test_every_failure_feeds_the_rule_but_that_of_a_blocked_client(reason: LoginFailureReason) -> None:
    assert (to_failure(received(failed(reason))) is None) is (reason is LoginFailureReason.BLOCKED)


@pytest.mark.requirement("EV-07")
def test_a_failure_keeps_its_address_in_canonical_form_and_its_trace() -> None:
    failure = to_failure(received(failed(LoginFailureReason.UNKNOWN_USER), context=context_from(TRACEPARENT)))
    assert failure == Failure("e1", "203.0.113.9", NOW, "c1", TRACEPARENT)


async def test_other_events_touch_nothing() -> None:
    judge = FakeJudge(error=AssertionError("must not be asked"))
    await handler(judge, FakeEnforce())([received(LoginSucceeded(person_id="p", client_address="203.0.113.9"))])


@pytest.mark.requirement("SD-03")
async def test_a_committed_block_is_pushed_at_once() -> None:
    enforce = FakeEnforce()
    await handler(FakeJudge([BLOCK]), enforce)([received(failed(LoginFailureReason.WRONG_PASSWORD))])
    assert enforce.pushed == [BLOCK]


@pytest.mark.requirement("SD-03", "EV-05")
async def test_a_bus_that_is_away_fails_no_event() -> None:
    judge = FakeJudge([BLOCK])
    await handler(judge, FakeEnforce(away=True))([received(failed(LoginFailureReason.WRONG_PASSWORD))])
    assert len(judge.judged) == 1


@pytest.mark.requirement("EV-05")
async def test_a_lost_lead_spends_no_attempt() -> None:
    judge = FakeJudge(error=LeadershipLostError("detector", 1))
    with pytest.raises(DependencyUnavailableError):
        await handler(judge, FakeEnforce())([received(failed(LoginFailureReason.WRONG_PASSWORD))])
