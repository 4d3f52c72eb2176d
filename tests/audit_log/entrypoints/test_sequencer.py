import asyncio

import pytest

from yoyaku.audit_log.entrypoints import sequencer
from yoyaku.audit_log.entrypoints.sequencer import ConsumersHeldError, Sequencer
from yoyaku.messaging.consumer import Subscription
from yoyaku.messaging.leadership import Lease


class Stuck:
    """A subscription whose stop never returns."""

    def __init__(self) -> None:
        self.started = asyncio.Event()

    async def start(self) -> None:
        self.started.set()

    async def stop(self) -> None:
        await asyncio.Event().wait()


@pytest.mark.requirement("AU-01")
async def test_a_former_leader_that_cannot_let_go_ends_with_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = Stuck()

    def subscribe(*_: object, **__: object) -> Subscription:
        return stuck  # type: ignore[return-value]

    monkeypatch.setattr(sequencer, "subscribe", subscribe)
    monkeypatch.setattr(sequencer, "LET_GO_SECONDS", 0.05)
    lead = Sequencer(None, asyncio.Event()).run(Lease("sequencer", 1, "me"), None)  # type: ignore[arg-type]
    leading = asyncio.create_task(lead)
    await stuck.started.wait()
    leading.cancel()
    with pytest.raises(ConsumersHeldError):
        await leading
