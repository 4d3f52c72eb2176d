"""What a process that leads or stands by says of itself."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from yoyaku.lifecycle.health import at_head, backlog, consumer_checks, leader_health, role
from yoyaku.lifecycle.leading import leaders_pool
from yoyaku.messaging.leadership import Leadership
from yoyaku.observability.health import Check, CheckResult, Status
from yoyaku.postgres.errors import MigrationsNotAtHeadError
from yoyaku.postgres.pool import connected_pool
from yoyaku.testkit.leases import held_lease

PACKAGE = "yoyaku.audit_log"


def consumer(**changes: Any) -> Any:
    return SimpleNamespace(
        **{"consumer": "c", "missing": False, "pending": 3, "paused_since": None, "problem": None} | changes
    )


async def results(*statuses: Any) -> dict[str, CheckResult]:
    return {check.name: await check.run() for check in consumer_checks(lambda: statuses)}


async def test_a_missing_consumer_a_lag_and_a_pause_are_seen() -> None:
    assert (await results(consumer()))["consumers:lag"].observed == 3
    assert (await results(consumer(pending=None)))["consumers:lag"].observed == 0
    assert (await results(consumer(missing=True)))["consumers:lag"].status is Status.WARN
    assert (await results(consumer(problem="old")))["consumers:paused"].status is Status.PASS
    paused = (await results(consumer(paused_since=1.0, problem="database away")))["consumers:paused"]
    assert (paused.status, paused.output) == (Status.WARN, "database away")


async def test_a_standby_is_ready_and_a_lost_bus_is_not(database: Any) -> None:
    made = await database(PACKAGE)
    async with leaders_pool(made.service, service="audit-log", package=PACKAGE, lease_seconds=2) as pool:
        broker = SimpleNamespace(is_connected=True)
        leadership = Leadership(pool, "sequencer", holder="me")

        async def look() -> CheckResult:
            return CheckResult(Status.WARN)

        health = leader_health(
            "audit-log",
            package=PACKAGE,
            pool=pool,
            broker=cast("Any", broker),
            leadership=leadership,
            consumers=lambda: [consumer()],
            more=[Check("own:thing", look)],
        )
        report = await health.ready()
        assert report.status is Status.WARN
        assert {name for name, (result, _) in report.checks.items() if result.status is not Status.PASS} == {
            "own:thing"
        }
        assert report.checks["leadership:role"][0].observed == "standby"
        assert {"database:responseTime", "migrations:atHead", "outbox:oldestAge", "consumers:paused"} < set(
            report.checks
        )
        broker.is_connected = False
        assert (await health.startup()).status is Status.FAIL


async def test_the_role_follows_the_lease(database: Any) -> None:
    made = await database(PACKAGE)
    async with connected_pool(made.service, application_name="test") as pool:
        leadership = Leadership(pool, "sequencer", holder="me")
        stop = asyncio.Event()
        seen: list[object] = []

        async def run(_: object) -> None:
            seen.append((await role(leadership).run()).observed)
            stop.set()

        await leadership.lead(run, stop)
        seen.append((await role(leadership).run()).observed)
        assert seen == ["leading", "standby"]
        assert (await backlog(pool).run()).observed == 0.0


async def test_a_database_that_is_behind_is_refused_at_start(database: Any) -> None:
    empty = await database()
    with pytest.raises(MigrationsNotAtHeadError):
        async with leaders_pool(empty.service, service="audit-log", package=PACKAGE, lease_seconds=2):
            pytest.fail("started")
    async with connected_pool(empty.owner, application_name="test") as pool:
        with pytest.raises(MigrationsNotAtHeadError):
            await at_head(pool, PACKAGE).run()


async def test_a_frozen_leader_cannot_hold_its_successor_up_for_long(database: Any) -> None:
    made = await database(PACKAGE)
    limit = "SELECT setting::int FROM pg_settings WHERE name = $1"
    for lease_seconds, idle, longest in ((2.0, 5000, 15000), (8.0, 8000, 24000)):
        async with leaders_pool(made.service, service="a", package=PACKAGE, lease_seconds=lease_seconds) as pool:
            assert await pool.fetchval(limit, "idle_in_transaction_session_timeout") == idle
            assert await pool.fetchval(limit, "transaction_timeout") == longest
            async with held_lease(pool, "sequencer") as lease:
                assert lease.name == "sequencer"
