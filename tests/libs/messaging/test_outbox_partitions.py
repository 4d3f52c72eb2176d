import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from yoyaku.messaging.outbox_partitions import Maintained, keep_partitions, maintain_partitions
from yoyaku.postgres.errors import LockTimeoutError
from yoyaku.postgres.transaction import transaction

pytestmark = pytest.mark.requirement("EV-03")


def day(offset: int) -> datetime:
    return datetime.now(UTC) + timedelta(days=offset)


def name(offset: int) -> str:
    return f"outbox_event_{day(offset):%Y%m%d}"


async def partitions(state) -> set[str]:
    rows = await state.pool.fetch(
        "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'outbox_event'::regclass"
    )
    return {row["name"] for row in rows}


async def age(state, days: int) -> None:
    """Put all events, and the partition of today, `days` into the past."""
    today, then = day(0).date(), day(-days).date()
    await state.as_owner(
        f"CREATE TABLE {name(-days)} (LIKE outbox_event INCLUDING ALL)",
        f"INSERT INTO {name(-days)} SELECT (e).* FROM outbox_event AS e",
        f"UPDATE {name(-days)} SET day = '{then}'",
        f"DELETE FROM outbox_event WHERE day = '{today}'",
        f"""ALTER TABLE outbox_event ATTACH PARTITION {name(-days)}
            FOR VALUES FROM ('{then}') TO ('{then + timedelta(days=1)}')""",
        f"UPDATE outbox_cursor SET published_day = '{then}'",
    )


async def publish_all(state) -> None:
    await state.pool.execute(
        "UPDATE outbox_cursor c SET published_number = s.last_number FROM outbox_shard s WHERE s.shard = c.shard"
    )


async def test_a_week_of_partitions_is_there_from_the_start(state, emitter) -> None:
    assert await partitions(state) == {"outbox_event_default", *(name(ahead) for ahead in range(8))}
    await emitter.commit()
    assert await state.pool.fetchval(f"SELECT count(*) FROM outbox_event WHERE day = '{day(0).date()}'") == 1
    assert await maintain_partitions(state.pool) == Maintained(0, 0)


async def test_an_old_partition_goes_when_every_cursor_has_passed_it(state, emitter) -> None:
    await emitter.commit(100)
    await age(state, 36)
    await publish_all(state)
    await state.pool.execute(
        """UPDATE outbox_cursor SET published_number = published_number - 1
           WHERE shard = (SELECT min(shard) FROM outbox_event)"""
    )
    assert await maintain_partitions(state.pool) == Maintained(0, 0)
    assert len(await state.numbers()) == 100
    await publish_all(state)
    assert await maintain_partitions(state.pool) == Maintained(0, 1)
    assert await state.numbers() == []
    assert name(-36) not in await partitions(state)


async def test_a_partition_of_35_days_stays(state, emitter) -> None:
    await emitter.commit(3)
    await age(state, 35)
    await publish_all(state)
    assert await maintain_partitions(state.pool) == Maintained(0, 0)
    assert len(await state.numbers()) == 3


async def test_what_the_default_partition_caught_is_moved_into_its_own(state, emitter) -> None:
    await state.as_owner(f"DROP TABLE {name(0)}", f"DROP TABLE {name(3)}")
    await emitter.commit(20)
    assert await state.pool.fetchval("SELECT count(DISTINCT tableoid) FROM outbox_event") == 1
    before = await state.numbers()
    assert await maintain_partitions(state.pool) == Maintained(2, 0)
    assert await state.numbers() == before
    table = await state.pool.fetchval("SELECT DISTINCT tableoid::regclass::text FROM outbox_event")
    assert table == name(0)
    await emitter.commit(5)
    assert len(await state.numbers()) == 25


async def test_old_rows_of_the_default_partition_go_too(state, emitter) -> None:
    await emitter.commit(4)
    await state.as_owner(f"UPDATE outbox_event SET day = '{day(-50).date()}'")
    await maintain_partitions(state.pool)
    assert len(await state.numbers()) == 4
    await publish_all(state)
    await maintain_partitions(state.pool)
    assert await state.numbers() == []


async def test_two_at_once_do_not_collide(state) -> None:
    await state.as_owner(f"DROP TABLE {name(5)}", f"DROP TABLE {name(6)}")
    done = await asyncio.gather(*(maintain_partitions(state.pool) for _ in range(5)))
    assert sum(one.created for one in done) == 2


async def test_a_long_transaction_is_not_waited_for(state, emitter) -> None:
    """Whoever waits for a lock on the table makes all writers wait behind it."""
    await emitter.commit()
    await age(state, 40)
    await publish_all(state)
    async with transaction(state.pool, read_only=True) as connection:
        await connection.fetch("SELECT count(*) FROM outbox_event")
        with pytest.raises(LockTimeoutError):
            await maintain_partitions(state.pool)
    assert await maintain_partitions(state.pool) == Maintained(0, 1)


async def test_writers_and_maintenance_get_along(state, emitter) -> None:
    await state.as_owner(*(f"DROP TABLE {name(ahead)}" for ahead in range(8)))
    writing = asyncio.create_task(write(emitter))
    assert (await maintain_partitions(state.pool)).created in {7, 8}
    await writing
    await maintain_partitions(state.pool)
    assert len(await state.numbers()) == 600
    assert (
        await state.pool.fetchval("SELECT count(*) FROM outbox_event WHERE tableoid = 'outbox_event_default'::regclass")
        == 0
    )


async def write(emitter) -> None:
    for _ in range(200):
        await emitter.commit(3)


async def test_the_service_may_ask_and_not_do(state) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await state.pool.execute("CREATE TABLE mine (LIKE outbox_event)")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await state.pool.execute(f"DROP TABLE {name(1)}")


async def test_the_keeper_maintains_at_once_and_ends_on_stop(state, eventually, lines) -> None:
    await state.as_owner(f"DROP TABLE {name(5)}")
    stop = asyncio.Event()
    keeper = asyncio.create_task(keep_partitions(state.pool, stop))

    async def is_back() -> bool:
        return name(5) in await partitions(state)

    await eventually(is_back)
    stop.set()
    await keeper
    assert "INFO outbox partitions maintained" in lines
