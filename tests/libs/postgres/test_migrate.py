"""Migrations on a real PostgreSQL."""

import asyncio
import sys
from pathlib import Path

import asyncpg
import pytest

from yoyaku.postgres import EditedMigrationError, MigrationsNotAtHeadError, check_head, connected_pool
from yoyaku.postgres.errors import MigrationFailedError, MigrationFileError, PhaseOrderError
from yoyaku.postgres.migrate import migrate

ROOMS = "CREATE TABLE rooms (id int PRIMARY KEY);\nGRANT SELECT ON rooms TO {service_role};\n"


class Package:
    """A package on disk whose migrations a test writes."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.folder = folder / name
        (self.folder / "migrations").mkdir(parents=True)
        (self.folder / "__init__.py").write_text("")

    def write(self, file_name: str, sql: str) -> None:
        (self.folder / "migrations" / file_name).write_text(sql)


@pytest.fixture
def package(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Package:
    monkeypatch.syspath_prepend(str(tmp_path))
    name = f"migrated_{abs(hash(request.node.name))}"
    monkeypatch.delitem(sys.modules, name, raising=False)
    return Package(tmp_path, name)


async def test_applies_files_in_order_once_and_grants_to_the_service_role(cluster, package) -> None:
    package.write("0001_pre_rooms.sql", ROOMS)
    package.write("0002_post_more.sql", "ALTER TABLE rooms ADD COLUMN site text;\nINSERT INTO rooms VALUES (1, 'x');")
    owner = cluster.of("alpha_owner")

    assert await migrate(owner, package.name) == ["0001_pre_rooms.sql", "0002_post_more.sql"]
    assert await migrate(owner, package.name) == []

    async with connected_pool(cluster.of("alpha_service"), application_name="test") as pool:
        assert await pool.fetchval("SELECT site FROM rooms") == "x"
        assert await pool.fetchval("SELECT version_num FROM alembic_version") == "0002"
        await check_head(pool, package.name)


async def test_phases_apply_their_own_files_only(cluster, package) -> None:
    package.write("0001_pre_rooms.sql", ROOMS)
    package.write("0002_post_drop.sql", "ALTER TABLE rooms ADD COLUMN a int")
    owner = cluster.of("alpha_owner")

    assert await migrate(owner, package.name, "pre") == ["0001_pre_rooms.sql"]
    assert await migrate(owner, package.name, "pre") == []
    async with connected_pool(cluster.of("alpha_service"), application_name="test") as pool:
        await check_head(pool, package.name)
    package.write("0003_pre_next.sql", "ALTER TABLE rooms ADD COLUMN b int")
    with pytest.raises(PhaseOrderError, match=r"0003_pre_next\.sql waits for 0002_post_drop\.sql"):
        await migrate(owner, package.name, "pre")
    assert await migrate(owner, package.name, "post") == ["0002_post_drop.sql"]
    assert await migrate(owner, package.name, "pre") == ["0003_pre_next.sql"]


async def test_a_failing_run_names_file_and_line_and_leaves_nothing(cluster, package) -> None:
    package.write("0001_pre_rooms.sql", ROOMS)
    package.write("0002_pre_broken.sql", "SELECT 1;\n\nSELECT nonsense FROM rooms;\n")

    with pytest.raises(MigrationFailedError, match=r"0002_pre_broken\.sql, line 3: column") as caught:
        await migrate(cluster.of("alpha_owner"), package.name)

    assert caught.value.line == 3
    async with connected_pool(cluster.of("alpha_owner"), application_name="test") as pool:
        assert await pool.fetchval("SELECT to_regclass('rooms')") is None
        assert await pool.fetchval("SELECT to_regclass('applied_migrations')") is None


@pytest.mark.parametrize("edit", ["sql", "name", "removed", "earlier"])
async def test_edited_history_is_refused_by_name(cluster, package, edit) -> None:
    package.write("0001_pre_rooms.sql", ROOMS)
    package.write("0003_pre_more.sql", "SELECT 1")
    owner = cluster.of("alpha_owner")
    await migrate(owner, package.name)
    first = package.folder / "migrations" / "0001_pre_rooms.sql"
    expected = "0001_pre_rooms.sql"
    match edit:
        case "sql":
            first.write_text(ROOMS + " ")
        case "name":
            first.rename(first.with_name("0001_pre_renamed.sql"))
        case "removed":
            first.unlink()
        case "earlier":
            package.write("0002_pre_late.sql", "SELECT 2")
            expected = "0002_pre_late.sql"

    with pytest.raises(EditedMigrationError) as caught:
        await migrate(owner, package.name)
    assert caught.value.file_name == expected
    async with connected_pool(cluster.of("alpha_service"), application_name="test") as pool:
        with pytest.raises(EditedMigrationError):
            await check_head(pool, package.name)


async def test_includes_are_expanded_and_their_edits_refused(cluster, package) -> None:
    (package.folder / "sql").mkdir()
    included = package.folder / "sql" / "outbox.sql"
    included.write_text("CREATE TABLE outbox (id int);\nGRANT INSERT ON outbox TO {service_role};")
    package.write("0001_pre_outbox.sql", f"-- include: {package.name}:sql/outbox.sql\n")
    owner = cluster.of("alpha_owner")
    await migrate(owner, package.name)
    async with connected_pool(cluster.of("alpha_service"), application_name="test") as pool:
        await pool.execute("INSERT INTO outbox VALUES (1)")

    included.write_text("CREATE TABLE outbox (id bigint);")
    with pytest.raises(EditedMigrationError, match=r"0001_pre_outbox\.sql"):
        await migrate(owner, package.name)


async def test_bad_names_numbers_and_includes_are_named(cluster, package) -> None:
    owner = cluster.of("alpha_owner")
    package.write("0001_pre_a.sql", "-- include: no_such_package:a.sql")
    with pytest.raises(MigrationFileError, match=r"no_such_package:a\.sql, which does not exist"):
        await migrate(owner, package.name)
    package.write("0001_pre_a.sql", "SELECT 1")
    package.write("0001_post_b.sql", "SELECT 1")
    with pytest.raises(MigrationFileError, match="same number"):
        await migrate(owner, package.name)
    (package.folder / "migrations" / "0001_post_b.sql").unlink()
    package.write("2_later.sql", "SELECT 1")
    with pytest.raises(MigrationFileError, match=r"2_later\.sql: is not named"):
        await migrate(owner, package.name)


async def test_two_migrators_at_once_apply_each_file_once(cluster, package) -> None:
    package.write("0001_pre_rooms.sql", ROOMS + "SELECT pg_sleep(0.2);")
    owner = cluster.of("alpha_owner", lock_timeout_seconds=0.05)

    runs = await asyncio.gather(*(migrate(owner, package.name) for _ in range(4)))

    assert sorted(runs) == [[], [], [], ["0001_pre_rooms.sql"]]


async def test_a_blocked_statement_gives_up_after_the_lock_timeout(cluster, package) -> None:
    package.write("0001_pre_rooms.sql", ROOMS)
    owner = cluster.of("alpha_owner", lock_timeout_seconds=0.1)
    await migrate(owner, package.name)
    package.write("0002_pre_more.sql", "ALTER TABLE rooms ADD COLUMN site text")
    holder = await asyncpg.connect(**owner.connect_arguments("holder"))
    async with holder.transaction():
        await holder.execute("LOCK TABLE rooms")
        with pytest.raises(MigrationFailedError, match="lock timeout"):
            await migrate(owner, package.name)
    await holder.close()
    assert await migrate(owner, package.name) == ["0002_pre_more.sql"]


async def test_check_head_says_what_is_missing_and_accepts_a_newer_database(cluster, package) -> None:
    package.write("0001_pre_rooms.sql", ROOMS)
    async with connected_pool(cluster.of("alpha_service"), application_name="test") as pool:
        with pytest.raises(MigrationsNotAtHeadError) as caught:
            await check_head(pool, package.name)
        assert (caught.value.current, caught.value.head) == (None, "0001_pre_rooms.sql")

        package.write("0002_pre_newer.sql", "SELECT 1")
        await migrate(cluster.of("alpha_owner"), package.name)
        (package.folder / "migrations" / "0002_pre_newer.sql").unlink()
        await check_head(pool, package.name)
    assert await migrate(cluster.of("alpha_owner"), package.name) == []
