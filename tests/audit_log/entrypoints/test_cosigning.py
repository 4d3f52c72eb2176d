"""The loop around one witness: it never ends by itself, and what it sees is measured."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest
from opentelemetry.metrics import CallbackOptions

from yoyaku.audit_log.entrypoints import cosigning
from yoyaku.audit_log.entrypoints.cosigning import cosignature_check, keep_cosigned, observe_age
from yoyaku.audit_log.usecases.cosign import Outcome
from yoyaku.audit_log.usecases.trees import IncompleteTreeError
from yoyaku.messaging import condition
from yoyaku.messaging.leadership import LeadershipLostError
from yoyaku.observability.health import Status
from yoyaku.observability.testing import recorded_metrics
from yoyaku.postgres.errors import DatabaseUnavailableError
from yoyaku.testkit.clock import SetClock
from yoyaku.tlog.errors import ProofError

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
Eventually = Callable[..., Awaitable[None]]


class Told:
    """Asks nobody: each round ends as it was told, the last one again and again."""

    name = "witness.yoyaku/test"

    def __init__(self, *rounds: Outcome | Exception) -> None:
        self.rounds = list(rounds)
        self.asked = 0
        self.problem: str | None = None
        self.cosigned_at: datetime | None = None

    async def __call__(self) -> Outcome:
        self.asked += 1
        one = self.rounds.pop(0) if len(self.rounds) > 1 else self.rounds[0]
        if isinstance(one, Exception):
            raise one
        self.problem = None if one is Outcome.COSIGNED else f"it is {one}"
        return one


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cosigning, "EVERY_SECONDS", 0.001)
    monkeypatch.setattr(cosigning, "STUBBORN_SECONDS", 0.001)
    monkeypatch.setattr(condition, "LONGEST_PAUSE_SECONDS", 0.001)


async def looked(told: Told, rounds: int, eventually: Eventually, look: Callable[[], Awaitable[None]]) -> None:
    """Run the loop until it has asked so often, look, and end it."""
    ended = asyncio.Event()
    clock = SetClock(NOON)
    loop = asyncio.create_task(keep_cosigned(told, ended, kind="inner", now=clock))  # type: ignore[arg-type]

    async def is_asked() -> bool:
        return told.asked >= rounds

    await eventually(is_asked)
    clock.advance(seconds=200)
    await look()
    ended.set()
    await loop


@pytest.mark.requirement("AU-02", "OB-02")
async def test_whatever_happens_it_asks_again_and_says_how_it_ended(eventually: Eventually) -> None:
    seen = recorded_metrics()
    rounds: list[Outcome | Exception] = [
        Outcome.AWAY,
        Outcome.REFUSED,
        Outcome.DENIED,
        DatabaseUnavailableError("gone"),
        IncompleteTreeError("gone"),
        ProofError("odd"),
        Outcome.CURRENT,
        Outcome.COSIGNED,
    ]
    told = Told(*rounds)
    told.cosigned_at = NOON

    async def look() -> None:
        (age,) = observe_age(CallbackOptions())
        assert (age.value, age.attributes) == (200.0, {"witness": "inner"})
        found = await cosignature_check().run()
        assert (found.status, found.output) == (Status.WARN, "witness.yoyaku/test: no cosignature")

    await looked(told, len(rounds) + 1, eventually, look)
    for outcome in ("away", "refused", "denied"):
        assert seen.total("yoyaku.audit.cosign.requests", outcome=outcome, witness="inner") == 1
    assert seen.total("yoyaku.audit.cosign.requests", outcome="cosigned", witness="inner") >= 1
    assert list(observe_age(CallbackOptions())) == []
    assert (await cosignature_check().run()).status is Status.PASS


async def test_another_leader_ends_it() -> None:
    lost = LeadershipLostError("sequencer", 1)
    with pytest.raises(LeadershipLostError):
        await keep_cosigned(Told(lost), asyncio.Event(), kind="inner", now=SetClock(NOON))  # type: ignore[arg-type]
    assert list(observe_age(CallbackOptions())) == []
