import asyncio

import pytest
from opentelemetry.metrics import CallbackOptions

from yoyaku.messaging import outbox_gauges
from yoyaku.messaging.outbox_gauges import keep_gauges, observe_oldest_age, observe_pending

pytestmark = pytest.mark.requirement("EV-03", "OB-02")


def values() -> tuple[list[float], list[float]]:
    options = CallbackOptions()
    return [o.value for o in observe_pending(options)], [o.value for o in observe_oldest_age(options)]


async def test_the_gauges_follow_the_outbox_while_a_reader_runs(state, emitter, eventually) -> None:
    assert values() == ([], [])
    stop = asyncio.Event()
    reader = asyncio.create_task(keep_gauges(state.pool, stop, every_seconds=0.02))

    async def shows(pending: int) -> bool:
        return values()[0] == [pending]

    await eventually(lambda: shows(0))
    assert values() == ([0], [0.0])
    await emitter.commit(7)
    await eventually(lambda: shows(7))
    await state.as_owner("UPDATE outbox_event SET created_at = created_at - interval '1 minute'")

    async def is_old() -> bool:
        return values()[1][0] >= 60

    await eventually(is_old)
    stop.set()
    await reader
    assert values() == ([], [])


async def test_a_stale_reading_is_not_shown(state, postgres_server, eventually, monkeypatch) -> None:
    stop = asyncio.Event()
    monkeypatch.setattr(outbox_gauges, "STALE_AFTER_SECONDS", 0.2)
    reader = asyncio.create_task(keep_gauges(state.pool, stop, every_seconds=0.02))

    async def shown() -> bool:
        return values()[0] == [0]

    async def absent() -> bool:
        return values() == ([], [])

    await eventually(shown)
    await asyncio.to_thread(postgres_server.kill)
    await eventually(absent)
    assert not reader.done()
    await asyncio.to_thread(postgres_server.restart)
    await eventually(shown)
    stop.set()
    await reader
