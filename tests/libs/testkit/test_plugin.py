"""The fixtures everyone builds on: each test gets its own fresh state, on servers that behave like the real ones."""

import asyncpg
import nats.errors
import pytest

from yoyaku.messaging.topology import STREAMS
from yoyaku.testkit.bus import TESTER, accounts_for_tests


async def fetch(settings, sql, *arguments):
    connection = await asyncpg.connect(**settings.connect_arguments("test"))
    try:
        return await connection.fetchval(sql, *arguments)
    finally:
        await connection.close()


async def test_a_fresh_database_is_owned_by_its_owner_and_closed_to_its_service(database):
    made = await database()
    await fetch(made.owner, "CREATE TABLE kept (id int)")
    assert await fetch(made.owner, "SELECT current_user") == "scratch_owner"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await fetch(made.service, "SELECT * FROM kept")


async def test_a_package_is_at_the_head_of_its_migrations_and_each_copy_is_its_own(database):
    first, second = await database("yoyaku.booking"), await database("yoyaku.booking")
    assert first.name != second.name
    tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
    assert await fetch(first.owner, tables) == await fetch(second.owner, tables) > 0
    await fetch(first.owner, "CREATE TABLE only_here (id int)")
    assert await fetch(second.owner, "SELECT to_regclass('only_here')") is None


async def test_a_copy_keeps_the_rights_that_migrations_gave(database):
    made = await database("yoyaku.booking")
    assert await fetch(made.service, "SELECT count(*) FROM outbox_shard") == 64
    public = "SELECT count(*) FROM pg_database, aclexplode(datacl) WHERE datname = $1 AND grantee = 0"
    assert await fetch(made.admin, public, made.name) == 0


async def test_databases_are_dropped_after_the_test(database_factory):
    made = await database_factory.create()
    await database_factory.drop(made)
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        await fetch(made.owner, "SELECT 1")


async def test_a_password_is_asked_for(database):
    made = await database()
    with pytest.raises(asyncpg.InvalidPasswordError):
        await fetch(made.owner.model_copy(update={"password": None}), "SELECT 1")


async def test_the_tester_may_publish_anything(js):
    for subject, stream in {"booking.room.created.v1": "BOOKING", "identity.login.failed.v1": "IDENTITY"}.items():
        assert (await js.publish(subject, b"{}")).stream == stream


async def test_what_an_earlier_test_published_is_gone(js):
    assert {info.config.name for info in await js.streams_info()} >= set(STREAMS)
    for stream in STREAMS:
        assert (await js.stream_info(stream)).state.messages == 0


async def test_a_service_has_its_real_permissions(bus):
    client = await bus.connect("audit-log")
    with pytest.raises(nats.errors.TimeoutError):
        await client.jetstream(timeout=0.5).publish("booking.room.created.v1", b"{}")
    await client.close()


async def test_the_bus_comes_back_for_the_next_test_when_one_left_it_killed(bus, nats_server):
    nats_server.kill()
    assert not nats_server.is_ready()
    await bus.reset()
    client = await bus.connect()
    assert (await client.jetstream().publish("booking.room.created.v1", b"{}")).seq == 1
    await client.close()


def test_settings_name_the_identity_by_a_private_file(bus):
    settings = bus.settings_for("booking")
    assert settings.url == bus.url
    assert settings.nkey_seed_file is not None
    assert settings.nkey_seed_file.stat().st_mode & 0o077 == 0


def test_accounts_without_a_list_of_users_are_refused(test_secrets, monkeypatch):
    monkeypatch.setattr("yoyaku.testkit.bus.render_accounts", lambda keys: "accounts {}")
    with pytest.raises(ValueError, match=TESTER):
        accounts_for_tests(test_secrets)


def test_markers_follow_from_fixtures(request, bus, postgres_server):
    assert {"nats", "postgres"} <= {marker.name for marker in request.node.iter_markers()}


def test_a_test_without_servers_has_no_such_marker(request):
    assert not {"nats", "postgres", "system"} & {marker.name for marker in request.node.iter_markers()}
