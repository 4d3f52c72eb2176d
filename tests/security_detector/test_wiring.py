"""The whole detector on a real bus and a real database: from failed sign-ins to the block the gateways see."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from nats.js import JetStreamContext

from yoyaku.contracts.envelope import from_headers
from yoyaku.contracts.identity_v1 import LoginFailureReason
from yoyaku.contracts.registry import decode
from yoyaku.contracts.security_v1 import BlockExpired, BlockImposed, IncidentOpened
from yoyaku.messaging.outbox import Outbox
from yoyaku.messaging.provision import provision
from yoyaku.messaging.topology import BLOCKS
from yoyaku.postgres.pool import Pool
from yoyaku.security_detector.adapters.postgres.journal import PostgresJournal
from yoyaku.security_detector.domain.failure import Failure
from yoyaku.security_detector.settings import SecurityDetectorSettings
from yoyaku.security_detector.usecases.judge_failures import JudgeFailures
from yoyaku.security_detector.wiring import run

Eventually = Callable[..., Awaitable[None]]
ATTACKER = "203.0.113.9"
NEIGHBOUR = "203.0.113.10"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@asynccontextmanager
async def running(settings: SecurityDetectorSettings) -> AsyncIterator[asyncio.Task[None]]:
    """Run a detector in this loop for the time of the block."""
    stop = asyncio.Event()
    task = asyncio.create_task(run(settings, stop))
    try:
        yield task
    finally:
        stop.set()
        async with asyncio.timeout(30):
            await task


@pytest.mark.requirement("SD-02", "SD-03", "SD-04", "EV-07")
async def test_five_failures_block_the_address_and_tell_why(
    detector_settings: SecurityDetectorSettings, attack: Any, eventually: Eventually
) -> None:
    async with running(detector_settings):
        ids = await attack.fail(4)
        ids += await attack.fail(traceparent=f"00-{TRACE}-00f067aa0ba902b7-01")
        await attack.fail(4, address=NEIGHBOUR)
        await eventually(attack.is_blocked)
        await eventually(lambda: _told(attack, 2))

    (block,) = (await attack.blocks()).values()
    opened, imposed = sorted(await attack.told(), key=lambda message: message.subject, reverse=True)
    incident = decode(opened.subject, opened.data)
    assert isinstance(incident, IncidentOpened)
    assert incident.event_ids == tuple(ids)
    assert incident.client_address == block.value == ATTACKER
    event = decode(imposed.subject, imposed.data)
    assert isinstance(event, BlockImposed)
    assert (event.block_id, event.incident_id, event.until) == (block.block_id, incident.incident_id, block.until)
    assert block.until - incident.opened_at == timedelta(seconds=detector_settings.block_seconds)
    for message in (opened, imposed):
        envelope = from_headers(message.headers)
        assert envelope.causation_id == ids[-1]
        assert envelope.correlation_id == "request-4"
        assert envelope.actor == "service/security-detector"
        assert message.headers["traceparent"].split("-")[1] == TRACE


@pytest.mark.requirement("SD-02", "EV-04")
async def test_a_replay_gives_nothing_new(
    detector_settings: SecurityDetectorSettings, attack: Any, eventually: Eventually
) -> None:
    async with running(detector_settings):
        await attack.fail(7)
        await eventually(attack.is_blocked)
        await attack.replay()
        await eventually(attack.is_handled)
        await eventually(lambda: _told(attack, 2))
    async with running(detector_settings):
        await attack.replay()
        await attack.fail(5, address=NEIGHBOUR)
        await eventually(lambda: attack.is_blocked(NEIGHBOUR))
        await eventually(attack.is_handled)
        await eventually(lambda: _told(attack, 4))
    assert len(await attack.told(IncidentOpened.TYPE)) == 2
    assert len(await attack.told(BlockImposed.TYPE)) == 2


@pytest.mark.requirement("SD-03")
async def test_blocked_traffic_never_feeds_the_rule(
    detector_settings: SecurityDetectorSettings, attack: Any, pool: Pool, eventually: Eventually
) -> None:
    async with running(detector_settings):
        await attack.fail(20, reason=LoginFailureReason.BLOCKED)
        await attack.fail(4)
        await eventually(attack.is_handled)
    assert await pool.fetchval("SELECT count(*) FROM failed_sign_in") == 4
    assert await attack.blocks() == {}


@pytest.mark.requirement("SD-03")
async def test_what_was_committed_before_a_crash_is_pushed_at_the_restart(
    detector_settings: SecurityDetectorSettings,
    attack: Any,
    pool: Pool,
    outbox: Outbox,
    held_lease: Any,
    eventually: Eventually,
) -> None:
    now = datetime.now(UTC)
    async with held_lease(pool) as lease:
        judge = JudgeFailures(PostgresJournal(pool, outbox, lease), detector_settings.rule())
        failures = [Failure(f"e{number}", ATTACKER, now, "c") for number in range(5)]
        assert len((await judge(failures, now)).blocks) == 1
    assert await attack.blocks() == {}
    assert await attack.told() == []
    async with running(detector_settings):
        await eventually(attack.is_blocked)
        await eventually(lambda: _told(attack, 2))


@pytest.mark.requirement("SD-03")
async def test_a_bucket_that_was_lost_is_filled_again(
    detector_settings: SecurityDetectorSettings, attack: Any, js: JetStreamContext, eventually: Eventually
) -> None:
    async with running(detector_settings):
        await attack.fail(5)
        await eventually(attack.is_blocked)
        before = await attack.blocks()
        await js.delete_stream(BLOCKS.stream)
        await provision(js)
        await eventually(attack.is_blocked)
        assert await attack.blocks() == before


@pytest.mark.requirement("SD-03")
async def test_a_block_ends_by_itself_and_that_is_told_once(
    detector_settings: SecurityDetectorSettings, attack: Any, pool: Pool, eventually: Eventually
) -> None:
    settings = detector_settings.model_copy(update={"block_seconds": 2.0})
    async with running(settings):
        await attack.fail(5)
        await eventually(lambda: _told(attack, 3))
        await eventually(lambda: _not_blocked(attack))
    async with running(settings):
        await attack.fail(5, address=NEIGHBOUR)
        await eventually(lambda: _told(attack, 5))
    expired = [message for message in await attack.told(BlockExpired.TYPE) if ATTACKER.encode() + b'"' in message.data]
    assert len(expired) == 1
    (imposed, *_) = await attack.told(BlockImposed.TYPE)
    envelope = from_headers(expired[0].headers)
    assert envelope.causation_id == from_headers(imposed.headers).id
    assert envelope.correlation_id == "request-4"
    row = await pool.fetchrow("SELECT until, expired_at FROM block WHERE value = $1", ATTACKER)
    assert row is not None
    assert row["expired_at"] >= row["until"]


@pytest.mark.requirement("SD-02")
async def test_an_attack_seen_too_late_is_an_incident_without_a_block(
    detector_settings: SecurityDetectorSettings, attack: Any, eventually: Eventually
) -> None:
    await attack.fail(5, at=datetime.now(UTC) - timedelta(hours=1))
    async with running(detector_settings):
        await eventually(lambda: _told(attack, 1))
        await eventually(attack.is_handled)
    assert [message.subject for message in await attack.told()] == [IncidentOpened.TYPE]
    assert await attack.blocks() == {}


@pytest.mark.requirement("SD-02", "SD-03", "GW-06")
async def test_a_bus_that_was_away_delays_the_block_and_loses_nothing(
    detector_settings: SecurityDetectorSettings, attack: Any, bus: Any, eventually: Eventually
) -> None:
    async with running(detector_settings):
        await attack.fail(4)
        await eventually(attack.is_handled)
        bus.server.kill()
        bus.server.restart()
        await attack.fail(1)
        await eventually(attack.is_blocked)
        await eventually(lambda: _told(attack, 2))


async def _told(attack: Any, count: int) -> bool:
    return len(await attack.told()) >= count


async def _not_blocked(attack: Any) -> bool:
    return not await attack.is_blocked()
