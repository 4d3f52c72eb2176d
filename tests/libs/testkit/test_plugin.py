import asyncpg
import pytest


async def test_a_fresh_database_is_owned_by_its_owner_and_open_to_its_service(database):
    made = await database()
    connection = await asyncpg.connect(**made.owner.connect_arguments("test"))
    await connection.execute("CREATE TABLE kept (id int)")
    assert await connection.fetchval("SELECT current_user") == "scratch_owner"
    await connection.close()
    service = await asyncpg.connect(**made.service.connect_arguments("test"))
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await service.execute("SELECT * FROM kept")
    await service.close()


async def test_the_bus_is_fresh_and_the_tester_may_publish_anything(bus, js):
    ack = await js.publish("booking.room.created.v1", b"{}")
    assert ack.seq == 1


async def test_what_an_earlier_test_published_is_gone(js):
    assert (await js.stream_info("BOOKING")).state.messages == 0
