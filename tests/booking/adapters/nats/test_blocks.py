"""Following the blocks ends with the error that ended it, so that a process never goes on with a list that is dead."""

import asyncio
from datetime import UTC, datetime

import pytest

from yoyaku.booking.adapters.nats.blocks import BlockCopier, BlockWatch
from yoyaku.booking.adapters.postgres.blocks import PostgresBlocks
from yoyaku.booking.domain.blocklist import Blocklist
from yoyaku.messaging.broker import make_broker, start_broker
from yoyaku.messaging.kv import KvWatch
from yoyaku.testkit.bus import Bus


@pytest.mark.requirement("SD-03", "GW-05")
@pytest.mark.parametrize("follower", ["gateway", "worker"])
async def test_a_defect_in_the_following_ends_it(bus: Bus, monkeypatch: pytest.MonkeyPatch, follower: str) -> None:
    async def fail(watch: KvWatch) -> bool:
        raise ArithmeticError("a defect")

    monkeypatch.setattr(KvWatch, "_sync", fail)
    broker = make_broker(bus.settings_for("booking"), service="booking")
    await start_broker(broker)
    try:
        blocks = PostgresBlocks.__new__(PostgresBlocks)  # never reached
        copier = BlockCopier(broker, blocks, now=lambda: datetime.now(UTC))
        running = BlockWatch(broker, Blocklist()).run() if follower == "gateway" else copier.run()
        async with asyncio.timeout(20):
            with pytest.raises(ExceptionGroup) as ended:
                await running
        assert ended.group_contains(ArithmeticError)
    finally:
        await broker.stop()
