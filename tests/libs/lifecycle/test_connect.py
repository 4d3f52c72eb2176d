"""A service looks at its part of the bus when it starts, says what differs, and mends nothing itself."""

import asyncio
from typing import Any

import pytest
from nats.js import JetStreamContext

from yoyaku.lifecycle.work import connect, disconnect
from yoyaku.messaging.broker import make_broker
from yoyaku.testkit.bus import Bus


@pytest.mark.requirement("EV-02")
@pytest.mark.parametrize("missing", [True, False])
async def test_drift_is_named_at_the_start(bus: Bus, js: JetStreamContext, logged: Any, missing: bool) -> None:
    if missing:
        await js.delete_consumer("IDENTITY", "security-detector_identity")
    broker = make_broker(bus.settings_for("security-detector"), service="security-detector")
    assert await connect(broker, stop=asyncio.Event())
    await disconnect(broker)
    named = [line["name"] for line in logged.named("the bus differs from its declaration")]
    assert named == (["security-detector_identity"] if missing else [])


async def test_a_start_that_is_called_off_is_not_connected(bus: Bus, nats_server: Any) -> None:
    nats_server.kill()
    stop = asyncio.Event()
    stop.set()
    broker = make_broker(bus.settings_for("booking"), service="booking")
    assert not await connect(broker, stop=stop)
    await disconnect(broker)
    nats_server.restart()
