"""A pool outlives its server."""

import asyncio
import socket
from contextlib import suppress

import asyncpg
import pytest

from yoyaku.postgres import (
    DatabaseUnavailableError,
    PostgresSettings,
    connected_pool,
    transaction,
    wait_until_available,
)
from yoyaku.postgres.errors import PostgresStartTimeoutError


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.requirement("GW-06")
async def test_the_same_pool_works_again_after_the_server_was_killed(cluster) -> None:
    settings = cluster.of("alpha_owner", pool_min=2, pool_max=3)
    async with connected_pool(settings, application_name="survivor") as pool:
        await pool.execute("CREATE TABLE notes (id int)")
        in_flight = asyncio.create_task(_insert_slowly(pool))
        await _until_sleeping(pool)

        cluster.server.kill()
        try:
            with pytest.raises(DatabaseUnavailableError):
                await in_flight
            for _ in range(4):  # more often than there are connections: none of them hides a dead one
                with pytest.raises(DatabaseUnavailableError):
                    async with transaction(pool) as connection:
                        await connection.execute("INSERT INTO notes VALUES (2)")
        finally:
            cluster.server.restart()

        await wait_until_available(pool)
        async with transaction(pool) as connection:
            await connection.execute("INSERT INTO notes VALUES (3)")
        assert await pool.fetchval("SELECT array_agg(id) FROM notes") == [3]


async def test_backends_ended_one_by_one_are_replaced(cluster) -> None:
    admin = await asyncpg.connect(**cluster.admin.connect_arguments("tests"))
    async with connected_pool(cluster.of("alpha_service", pool_min=3), application_name="victims") as pool:
        ended = await admin.fetch(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'victims'"
        )
        assert len(ended) == 3
        await wait_until_available(pool)
        assert await asyncio.gather(*(pool.fetchval("SELECT 1") for _ in range(5))) == [1] * 5
    await admin.close()


async def test_a_start_waits_for_a_database_that_comes_later(cluster) -> None:
    cluster.server.kill()
    starting = asyncio.create_task(_select_one(cluster.of("alpha_service")))
    done, _ = await asyncio.wait({starting}, timeout=0.3)
    cluster.server.restart()
    assert not done
    assert await starting == 1


async def test_a_start_gives_up_after_its_time_and_names_the_address() -> None:
    port = free_port()
    settings = {"database": "x", "user": "y", "port": port, "start_timeout_seconds": 0.2}
    with pytest.raises(PostgresStartTimeoutError, match=f"postgresql://y@127.0.0.1:{port}/x did not answer"):
        await _select_one(PostgresSettings.model_validate(settings))


async def test_a_wrong_password_is_not_waited_for(cluster) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await _select_one(cluster.of("alpha_service", password="wrong"))


async def test_closing_cuts_off_a_connection_that_is_never_given_back(cluster, monkeypatch) -> None:
    monkeypatch.setattr("yoyaku.postgres.pool._CLOSE_SECONDS", 0.1)
    async with connected_pool(cluster.of("alpha_service"), application_name="kept") as pool:
        kept = await pool.acquire()
    with suppress(asyncpg.InterfaceError):
        assert kept.is_closed()


async def _insert_slowly(pool) -> None:
    async with transaction(pool) as connection:
        await connection.execute("INSERT INTO notes VALUES (1)")
        await connection.execute("SELECT pg_sleep(30)")


async def _until_sleeping(pool) -> None:
    sleeping = "SELECT true FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    async with asyncio.timeout(20):
        while not await pool.fetchval(sleeping):  # noqa: ASYNC110 - the condition is the server's
            await asyncio.sleep(0.01)


async def _select_one(settings) -> int:
    async with connected_pool(settings, application_name="starting") as pool:
        return await pool.fetchval("SELECT 1")


async def test_giving_a_connection_back_costs_no_statement_and_leaves_no_transaction_open(cluster) -> None:
    admin = await asyncpg.connect(**cluster.admin.connect_arguments("tests"))
    async with connected_pool(cluster.of("alpha_service", pool_min=1, pool_max=1), application_name="thrifty") as pool:
        assert await pool.fetchval("SELECT 42") == 42
        last = await admin.fetchval("SELECT query FROM pg_stat_activity WHERE application_name = 'thrifty'")
        assert last == "SELECT 42"

        errors: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context["message"]))
        try:
            async with pool.acquire() as connection:
                await connection.execute("BEGIN")
        finally:
            asyncio.get_running_loop().set_exception_handler(None)
        assert len(errors) == 1
        state = await admin.fetchval("SELECT state FROM pg_stat_activity WHERE application_name = 'thrifty'")
        assert state == "idle"
    await admin.close()
