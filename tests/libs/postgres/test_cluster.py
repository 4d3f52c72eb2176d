"""Roles and databases: what each may do, and above all what it may not."""

import asyncpg
import pytest

from yoyaku.postgres.cluster import DatabaseSpec, bootstrap_cluster
from yoyaku.postgres.migrate import migrate

SPECS = [
    DatabaseSpec("alpha", "alpha_owner", "alpha_service"),
    DatabaseSpec("beta", "beta_owner", "beta_service", replication=True),
]


async def test_the_service_role_can_only_connect_until_a_migration_grants_more(cluster) -> None:
    owner = await cluster.connect("alpha_owner")
    await owner.execute("CREATE TABLE rooms (id int)")
    await owner.execute("CREATE FUNCTION answer() RETURNS int LANGUAGE sql AS 'SELECT 42'")
    service = await cluster.connect("alpha_service")

    for refused in (
        "CREATE TABLE mine (id int)",
        "CREATE TEMPORARY TABLE mine (id int)",
        "CREATE SCHEMA mine",
        "SELECT * FROM rooms",
        "INSERT INTO rooms VALUES (1)",
        "SELECT answer()",
        "DROP TABLE rooms",
        "ALTER TABLE rooms ADD COLUMN x int",
        "CREATE ROLE friend",
        "SET ROLE alpha_owner",
        "SELECT rolpassword FROM pg_authid",
        "COPY (SELECT 1) TO '/tmp/yoyaku-stolen'",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await service.execute(refused)

    await owner.execute("GRANT SELECT ON rooms TO alpha_service")
    assert await service.fetch("SELECT * FROM rooms") == []
    await owner.close()
    await service.close()


@pytest.mark.parametrize(
    ("role", "database"),
    [
        *(
            (role, database)
            for role in ("alpha_service", "alpha_owner")
            for database in ("beta", "postgres", "template1")
        ),
        *(("beta_replication", database) for database in ("alpha", "beta", "postgres", "template1")),
    ],
)
async def test_no_role_connects_to_a_database_that_is_not_its_own(cluster, role, database) -> None:
    with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.InvalidAuthorizationSpecificationError)):
        await cluster.connect(role, database=database)


async def test_roles_have_no_attributes_beyond_what_they_need(cluster) -> None:
    admin = await asyncpg.connect(**cluster.admin.connect_arguments("tests"))
    rows = await admin.fetch("""
        SELECT rolname, rolsuper, rolcreatedb, rolcreaterole, rolbypassrls, rolreplication, rolpassword
        FROM pg_authid WHERE rolname ~ '^(alpha|beta)_'""")
    await admin.close()

    assert {row["rolname"] for row in rows} == set(cluster.passwords)
    for row in rows:
        assert not any(row[name] for name in ("rolsuper", "rolcreatedb", "rolcreaterole", "rolbypassrls"))
        assert row["rolreplication"] == (row["rolname"] == "beta_replication")
        assert row["rolpassword"].startswith("SCRAM-SHA-256$4096:")


async def test_running_again_changes_nothing_and_corrects_what_differs(cluster) -> None:
    await migrate(cluster.of("alpha_owner"), "yoyaku.postgres")
    admin = await asyncpg.connect(**cluster.admin.connect_arguments("tests"))
    select = "SELECT rolname, rolpassword FROM pg_authid WHERE rolname ~ '^(alpha|beta)_' ORDER BY 1"
    before = await admin.fetch(select)

    await bootstrap_cluster(cluster.admin, SPECS, cluster.passwords)
    assert await admin.fetch(select) == before

    await admin.execute("ALTER ROLE alpha_service SUPERUSER")
    await admin.execute("GRANT ALL ON DATABASE beta TO PUBLIC")
    changed = {**cluster.passwords, "beta_owner": "another-password"}
    await bootstrap_cluster(cluster.admin, SPECS, changed)
    assert await admin.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = 'alpha_service'") is False
    await admin.close()
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await cluster.connect("alpha_service", database="beta")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await cluster.connect("beta_owner")
    await (await cluster.connect("beta_owner", password="another-password")).close()


async def test_a_role_without_a_password_is_refused_before_anything_changes(cluster) -> None:
    with pytest.raises(KeyError, match="gamma_owner"):
        await bootstrap_cluster(cluster.admin, [DatabaseSpec("gamma", "gamma_owner", "gamma_service")], {})


@pytest.mark.parametrize("name", ["Alpha", "a-b", "a b", 'a"; DROP', "", "1a", "a" * 64])
def test_names_that_would_need_quoting_are_refused(name) -> None:
    with pytest.raises(ValueError, match="plain lower-case"):
        DatabaseSpec(name, "x_owner", "x_service")
