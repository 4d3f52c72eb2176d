"""Keeps checkpoints cosigned while this process leads: one loop a witness, so that none waits for another.

Invariant: nothing else waits for a witness. One that is away, or refuses, is asked again for as long as the term lasts.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from loguru import logger
from opentelemetry.metrics import CallbackOptions, Observation

from yoyaku.audit_log import telemetry
from yoyaku.audit_log.usecases.cosign import CosignCheckpoints, Outcome
from yoyaku.audit_log.usecases.trees import IncompleteTreeError
from yoyaku.messaging.condition import Condition
from yoyaku.messaging.waiting import set_within
from yoyaku.observability.health import Check, CheckResult, Status
from yoyaku.postgres.errors import PostgresError
from yoyaku.tlog.errors import TlogError

EVERY_SECONDS: Final = 1.0
STUBBORN_SECONDS: Final = 30.0
"""Pause after a refusal, or when a witness does not know the log: nothing changes within seconds."""
STALE_AFTER_SECONDS: Final = 180.0
"""A cosignature is renewed every minute, also of a log that is quiet."""


@dataclass(frozen=True, slots=True)
class Cosigning:
    """One witness of a term, as others look at it."""

    cosign: CosignCheckpoints
    kind: str
    """`inner` or `outside`."""
    began_at: datetime
    now: Callable[[], datetime]

    @property
    def age_seconds(self) -> float:
        """How long ago the newest cosignature was made; since the term began, before the first."""
        return max(0.0, (self.now() - (self.cosign.cosigned_at or self.began_at)).total_seconds())


_running: dict[int, Cosigning] = {}


def observe_age(_: CallbackOptions) -> Iterable[Observation]:
    """Give the age of the oldest of the newest cosignatures, for each kind of witness; nothing on a standby."""
    ages: dict[str, float] = {}
    for one in tuple(_running.values()):
        ages[one.kind] = max(ages.get(one.kind, 0.0), one.age_seconds)
    return [Observation(age, {"witness": kind}) for kind, age in ages.items()]


telemetry.METER.create_observable_gauge(
    telemetry.COSIGNATURE_AGE, [observe_age], unit="s", description="Since the newest cosignature"
)


async def keep_cosigned(
    cosign: CosignCheckpoints, ended: asyncio.Event, *, kind: str, now: Callable[[], datetime]
) -> None:
    """Have one witness cosign until `ended`. Raises LeadershipLostError."""
    cosigning = Cosigning(cosign, kind, now(), now)
    _running[id(cosigning)] = cosigning
    witness = Condition(
        away="a witness does not cosign, to be asked again", back="the witness cosigns checkpoints again"
    )
    try:
        while not ended.is_set():
            await set_within(ended, await _round(cosigning, witness))
    finally:
        del _running[id(cosigning)]


async def _round(cosigning: Cosigning, witness: Condition) -> float:
    """Ask once, and return how long to wait before the next round, in seconds."""
    cosign = cosigning.cosign
    try:
        outcome = await cosign()
    except (PostgresError, IncompleteTreeError, TlogError) as error:
        return witness.is_away(f"{cosign.name}: {error}")
    if outcome is Outcome.CURRENT:
        return EVERY_SECONDS
    telemetry.cosign_requests.add(1, {"outcome": outcome.value, "witness": cosigning.kind})
    if outcome is Outcome.COSIGNED:
        witness.is_back()
        return EVERY_SECONDS
    if outcome is Outcome.REFUSED:
        logger.bind(witness=cosign.name, cause=cosign.problem).error("a witness refused a checkpoint")
    pause_seconds = witness.is_away(f"{cosign.name}: {cosign.problem}")
    return pause_seconds if outcome is Outcome.AWAY else STUBBORN_SECONDS


def cosignature_check() -> Check:
    """Warn when a witness of this term has not cosigned for minutes; it is no reason to be unready."""

    async def look() -> CheckResult:
        late = [one for one in tuple(_running.values()) if one.age_seconds > STALE_AFTER_SECONDS]
        told = "; ".join(sorted(f"{one.cosign.name}: {one.cosign.problem or 'no cosignature'}" for one in late))
        return CheckResult(Status.WARN if late else Status.PASS, output=told or None)

    return Check("witness:cosignature", look)
