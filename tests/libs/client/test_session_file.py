"""A kept session: readable for its owner only, whole or not there, changed by one process at a time."""

import asyncio
import json
import os
import stat
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from yoyaku.client.errors import SessionStoreError
from yoyaku.client.session_file import FileSessions, default_folder
from yoyaku.client.sessions import Session

URL = "http://gateway.test"
NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
SESSION = Session(
    user_id="花子",
    access_token=SecretStr("access-secret"),
    expires_at=NOW + timedelta(minutes=15),
    refresh_token=SecretStr("refresh-secret"),
    refresh_expires_at=NOW + timedelta(days=30),
    refresh_sent_at=NOW,
)


@pytest.fixture
def sessions(tmp_path: Path) -> FileSessions:
    return FileSessions(URL, tmp_path / "made" / "when-needed")


def test_what_is_saved_is_loaded(sessions: FileSessions) -> None:
    assert sessions.load() is None
    sessions.save(SESSION)
    assert sessions.load() == SESSION
    sessions.clear()
    sessions.clear()
    assert sessions.load() is None


def test_each_gateway_has_a_session_of_its_own(tmp_path: Path) -> None:
    FileSessions(URL, tmp_path).save(SESSION)
    assert FileSessions(URL + "/", tmp_path).load() == SESSION
    assert FileSessions("http://other.test", tmp_path).load() is None


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
def test_only_the_owner_reads_it_whatever_the_umask(sessions: FileSessions) -> None:
    before = os.umask(0)
    try:
        sessions.save(SESSION)
    finally:
        os.umask(before)
    assert stat.S_IMODE(sessions.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(sessions.path.parent.stat().st_mode) == 0o700


def test_a_save_that_fails_leaves_the_old_session_and_nothing_beside_it(
    sessions: FileSessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions.save(SESSION)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SessionStoreError, match="No space left"):
        sessions.save(SESSION.refreshing(None))
    assert sessions.load() == SESSION
    assert [file.name for file in sessions.path.parent.iterdir()] == [sessions.path.name]


def test_a_reader_never_sees_a_half(sessions: FileSessions) -> None:
    sessions.save(SESSION)
    other, over = SESSION.refreshing(None), threading.Event()

    def write() -> None:
        for number in range(200):
            sessions.save((SESSION, other)[number % 2])
        over.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = []
    while not over.is_set():
        seen.append(sessions.load() in (SESSION, other))
    writer.join()
    assert seen
    assert all(seen)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"user_id": 1}', '{"access_token": 7, "user_id": "x"}'])
def test_a_file_that_is_not_understood_is_nobody_signed_in(sessions: FileSessions, text: str) -> None:
    sessions.save(SESSION)
    sessions.path.write_text(text)
    assert sessions.load() is None


def test_a_folder_in_the_way_is_told(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(SessionStoreError, match=str(blocked)):
        FileSessions(URL, blocked).save(SESSION)


async def test_one_process_at_a_time_changes_it(sessions: FileSessions) -> None:
    program = (
        "import asyncio, sys\nfrom pathlib import Path\nfrom yoyaku.client.session_file import FileSessions\n"
        "async def main():\n"
        "    async with FileSessions(sys.argv[1], Path(sys.argv[2])).locked():\n"
        "        print('in', flush=True); sys.stdin.readline(); print('out', flush=True)\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen(  # noqa: ASYNC220 - another process is what this is about
        [sys.executable, "-c", program, URL, str(sessions.path.parent)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        assert await asyncio.to_thread(other.stdout.readline) == "in\n"
        waiting = asyncio.create_task(held(sessions))
        done, _ = await asyncio.wait([waiting], timeout=0.3)
        assert not done
        other.kill()
        await asyncio.wait_for(waiting, 10)


async def held(sessions: FileSessions) -> None:
    async with sessions.locked():
        sessions.save(SESSION)


def test_no_repr_and_no_other_place_shows_a_token(sessions: FileSessions) -> None:
    sessions.save(SESSION)
    for text in (repr(SESSION), str(SESSION), repr(sessions), f"{SESSION.refreshing(NOW)}"):
        assert "secret" not in text
    kept = json.loads(sessions.path.read_text())
    assert kept["refresh_token"] == "refresh-secret"


@pytest.mark.skipif(sys.platform != "linux", reason="the folder of this platform")
def test_the_folder_is_the_platforms(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "yoyaku" / "sessions"
