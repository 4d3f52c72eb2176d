"""Run as root these show that folders of others keep their rights; otherwise there is nothing to show."""

import asyncio
import os
import shutil
import stat
from pathlib import Path

import asyncpg
import psutil
import pytest
from pydantic import SecretStr

from yoyaku.embedded import unprivileged
from yoyaku.embedded.postgres_server import EmbeddedPostgres
from yoyaku.embedded.unprivileged import (
    PlacementError,
    can_reach,
    claim_data_folder,
    delete_moved_data,
    place,
    postgres_account,
    wheel_bin_dir,
)

pytestmark = pytest.mark.requirement("DL-01")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root needs another user for PostgreSQL")
PASSWORD = SecretStr("only-for-this-test")


@pytest.fixture
def closed_folder(scratch_folder):
    folder = scratch_folder / "closed"
    folder.mkdir(mode=0o700)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def closed_wheel(closed_folder, monkeypatch):
    """The wheel's programs behind a folder that only root can enter, as in a clone under /root."""
    package = wheel_bin_dir().parent.parent
    inside = closed_folder / "site-packages"
    inside.mkdir()
    (inside / package.name).symlink_to(package)
    copied = inside / "copied" / package.name
    shutil.copytree(package / "pginstall18", copied / "pginstall18", symlinks=True)
    shutil.copytree(package.with_name(f"{package.name}.libs"), copied.with_name(f"{package.name}.libs"))
    monkeypatch.setattr(unprivileged, "wheel_bin_dir", lambda: copied / "pginstall18" / "bin")
    monkeypatch.setattr(unprivileged, "SYSTEM_ROOT", Path("/var/lib/yoyaku-tests"))
    yield
    shutil.rmtree("/var/lib/yoyaku-tests", ignore_errors=True)


@as_root
def test_the_account_is_a_system_user_that_can_do_nothing_else():
    account = postgres_account()
    assert account is not None
    assert account.uid != 0
    assert account.name in {"yoyaku-postgres", "nobody"}


@as_root
def test_a_reachable_data_folder_is_used_as_it_is(scratch_folder):
    folder = scratch_folder / "open"
    placed = place(folder)
    assert placed.root == folder / "postgres"
    assert not placed.moved
    assert stat.S_IMODE(placed.root.stat().st_mode) == 0o700
    assert placed.account is not None
    assert placed.root.stat().st_uid == placed.account.uid


@as_root
def test_behind_a_closed_folder_data_and_binaries_move_and_the_folder_stays_closed(closed_folder, closed_wheel):
    server = EmbeddedPostgres.start(closed_folder / "data", superuser_password=PASSWORD, fsync=False)
    try:
        assert server.placement.moved
        assert server.data.is_relative_to("/var/lib/yoyaku-tests")
        assert server.bin_dir.is_relative_to("/var/lib/yoyaku-tests")
        assert Path(psutil.Process(server.pid).exe()).is_relative_to("/var/lib/yoyaku-tests")
        assert asyncio.run(_one(server)) == 1
        assert stat.S_IMODE(closed_folder.stat().st_mode) == 0o700
        assert place(closed_folder / "data").root == server.placement.root
    finally:
        server.destroy()


@as_root
def test_an_empty_folder_handed_over_becomes_passable_and_a_used_one_keeps_its_rights(scratch_folder):
    empty, used = scratch_folder / "empty", scratch_folder / "used"
    for folder in (empty, used):
        folder.mkdir(mode=0o700)
    (used / "letter").touch()
    for folder in (empty, used):
        claim_data_folder(folder)
    assert stat.S_IMODE(empty.stat().st_mode) == 0o711
    assert stat.S_IMODE(used.stat().st_mode) == 0o700


@as_root
def test_a_data_folder_made_anew_does_not_find_the_data_of_the_deleted_one(closed_folder, closed_wheel):
    first = place(closed_folder / "data").root
    shutil.rmtree(closed_folder / "data")
    assert place(closed_folder / "data").root != first
    assert first.exists()


@as_root
def test_moved_data_is_deleted_with_the_tree_it_belongs_to_and_no_other(closed_folder, closed_wheel):
    kept, deleted = place(closed_folder / "kept").root, place(closed_folder / "tree" / "data").root
    (closed_folder / "tree" / "postgres.location").write_text(f"{closed_folder}\n")
    delete_moved_data(closed_folder / "tree")
    assert kept.exists()
    assert not deleted.exists()
    assert closed_folder.exists()


@as_root
def test_data_that_became_unreachable_is_not_silently_begun_anew(scratch_folder):
    parent = scratch_folder / "was-open"
    parent.mkdir(mode=0o755)
    (place(parent / "data").root / "data").mkdir()
    parent.chmod(0o700)
    with pytest.raises(PlacementError, match="was-open"):
        place(parent / "data")


@as_root
def test_what_the_account_may_do_is_asked_of_the_system(closed_folder):
    account = postgres_account()
    assert account is not None
    assert can_reach(account, Path("/"), "x")
    assert not can_reach(account, closed_folder, "x")


async def _one(server: EmbeddedPostgres) -> object:
    connection = await asyncpg.connect(**server.admin_settings.connect_arguments("test"))
    try:
        return await connection.fetchval("SELECT 1")
    finally:
        await connection.close()


def test_a_folder_that_cannot_be_made_is_named(scratch_folder):
    (scratch_folder / "letter").touch()
    for unusable in (scratch_folder / "letter", scratch_folder / "letter" / "below"):
        with pytest.raises(PlacementError, match=f"{unusable} cannot be a data folder.*--data"):
            claim_data_folder(unusable)
