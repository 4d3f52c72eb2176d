"""What is put together: work beside the gateway is not missed either."""

import asyncio
from typing import Any

import pytest

from yoyaku.booking.adapters.nats.blocks import BlockWatch
from yoyaku.booking.settings import GatewaySettings
from yoyaku.booking.wiring.gateway import running_gateway


@pytest.fixture
def gateway_settings(service: Any) -> GatewaySettings:
    return GatewaySettings(
        database=service.database.service,
        nats=service.bus.settings_for("booking"),
        key_encryption_key_file=service.secrets.key_encryption_key_file(),
        digest_key_file=service.secrets.digest_key_file(),
        bus_patience_seconds=0.1,
    )


async def test_a_defect_in_following_the_blocks_asks_for_the_end_of_the_process(
    gateway_settings: GatewaySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def defect(self: BlockWatch) -> None:
        raise RuntimeError("unforeseen")

    monkeypatch.setattr(BlockWatch, "run", defect)
    asked = asyncio.Event()
    async with asyncio.timeout(30), running_gateway(gateway_settings, end_process=asked.set):
        await asked.wait()


async def test_a_gateway_that_is_left_in_peace_is_ready_and_ends_without_asking(
    gateway_settings: GatewaySettings,
) -> None:
    asked = asyncio.Event()
    async with asyncio.timeout(30), running_gateway(gateway_settings, end_process=asked.set) as gateway:
        assert (await gateway.health.ready()).http_status == 200
    assert not asked.is_set()
