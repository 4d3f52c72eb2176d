"""Real servers: the embedded PostgreSQL starts, is private, survives kills and outlives nobody."""

import asyncio
import stat
import subprocess
import sys

import asyncpg
import psutil
import pytest
from pydantic import SecretStr

from yoyaku.embedded.launch import kill_tree, launch
from yoyaku.embedded.ports import PortTakenError
from yoyaku.embedded.postgres_server import REPLICATION_ROLE, EmbeddedPostgres, end_predecessor
from yoyaku.testkit.servers import make_scratch_folder

pytestmark = [pytest.mark.postgres, pytest.mark.requirement("DL-01")]
PASSWORD = SecretStr("only-for-this-test")

PARENT = """
import sys, time
from pathlib import Path
from pydantic import SecretStr
from yoyaku.embedded.postgres_server import EmbeddedPostgres
server = EmbeddedPostgres.start(Path(sys.argv[1]), superuser_password=SecretStr("only-for-this-test"), fsync=False)
print(server.pid, server.port, flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def server(scratch_folder):
    folder = scratch_folder / "postgres-under-test"
    folder.mkdir()
    running = EmbeddedPostgres.start(folder, superuser_password=PASSWORD, fsync=False)
    yield running
    running.destroy()


async def query(server: EmbeddedPostgres, sql: str, **changed: object) -> object:
    arguments = {**server.admin_settings.connect_arguments("test"), **changed}
    connection = await asyncpg.connect(**arguments)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def test_it_is_postgresql_18_with_what_backups_need(server):
    assert str(await query(server, "SHOW server_version")).startswith("18.")
    for name, value in {"wal_level": "replica", "summarize_wal": "on", "max_wal_senders": "10"}.items():
        assert await query(server, f"SHOW {name}") == value


async def test_a_wrong_password_is_refused_on_tcp_and_on_the_socket(server):
    for host in (server.host, str(server.socket_dir)):
        with pytest.raises(asyncpg.InvalidPasswordError):
            await query(server, "SELECT 1", host=host, password="wrong")


async def test_every_rule_of_admission_asks_for_scram(server):
    assert await query(server, "SELECT string_agg(DISTINCT auth_method, ',') FROM pg_hba_file_rules") == "scram-sha-256"
    stored = await query(server, "SELECT rolpassword FROM pg_authid WHERE rolname = 'postgres'")
    assert str(stored).startswith("SCRAM-SHA-256$")


async def test_it_listens_on_loopback_and_in_a_private_folder_only(server):
    listening = {
        c.laddr.ip for c in psutil.Process(server.pid).net_connections("tcp") if c.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}
    assert stat.S_IMODE(server.socket_dir.stat().st_mode) == 0o700


async def test_only_the_role_for_backups_may_replicate(server):
    await query(server, f"CREATE ROLE {REPLICATION_ROLE} LOGIN REPLICATION PASSWORD 'streams'")
    receive = [str(server.bin_dir / "pg_receivewal"), "--host", server.host, "--port", str(server.port)]
    receive += ["--slot", "probe", "--create-slot"]
    allowed = await asyncio.to_thread(
        subprocess.run,
        [*receive, "--username", REPLICATION_ROLE],
        env={"PGPASSWORD": "streams"},
        capture_output=True,
        check=False,
    )
    refused = await asyncio.to_thread(
        subprocess.run,
        [*receive, "--username", "postgres"],
        env={"PGPASSWORD": PASSWORD.get_secret_value()},
        capture_output=True,
        check=False,
    )
    assert allowed.returncode == 0, allowed.stderr
    assert refused.returncode != 0
    assert b"pg_hba.conf" in refused.stderr


async def test_it_never_runs_as_root(server):
    assert psutil.Process(server.pid).uids().real != 0


async def test_no_process_shows_the_password(server):
    for process in psutil.process_iter(["cmdline"]):
        assert PASSWORD.get_secret_value() not in " ".join(process.info["cmdline"] or [])


async def test_committed_rows_survive_a_kill_and_the_port_stays(server):
    await query(server, "CREATE TABLE kept AS SELECT 7 AS number")
    port = server.port
    server.kill()
    assert server.pid is None
    server.restart()
    assert server.port == port
    assert await query(server, "SELECT number FROM kept") == 7


async def test_a_pid_file_that_names_another_program_of_the_same_user_is_no_obstacle(server):
    server.kill()
    stranger = launch(["/bin/sleep", "600"], env={}, account=server.account)
    try:
        pid_file = server.data / "postmaster.pid"
        lines = pid_file.read_text().splitlines(keepends=True)
        pid_file.write_text("".join([f"{stranger.pid}\n", *lines[1:]]))
        server.restart()
        assert await query(server, "SELECT 1") == 1
        assert stranger.poll() is None
    finally:
        kill_tree(stranger)


async def test_titles_in_a_failing_statement_do_not_reach_the_log(server):
    await query(server, "CREATE TABLE titled (title text UNIQUE)")
    await query(server, "INSERT INTO titled VALUES ('a very private title')")
    with pytest.raises(asyncpg.UniqueViolationError):
        await query(server, "INSERT INTO titled VALUES ('a very private title')")
    log = server.log_file.read_text()
    assert "titled_title_key" in log
    assert "a very private title" not in log


def test_a_fixed_port_that_is_taken_is_refused_with_its_holder(server, scratch_folder):
    second = EmbeddedPostgres(scratch_folder / "second", superuser_password=PASSWORD, port=server.port, fsync=False)
    with pytest.raises(PortTakenError, match="postgres"):
        second.prepare()


def test_it_ends_when_its_parent_is_killed_dash_nine_and_the_next_start_is_clean():
    folder = make_scratch_folder()
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(folder)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid, port = (int(part) for part in parent.stdout.readline().split())
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    parent.kill()
    parent.wait()
    parent.stdout.close()
    psutil.wait_procs(family, timeout=20)
    assert [one for one in family if one.is_running() and one.status() != psutil.STATUS_ZOMBIE] == []
    with EmbeddedPostgres.start(folder, superuser_password=PASSWORD, port=port, fsync=False) as again:
        assert asyncio.run(query(again, "SELECT 1")) == 1
    again.destroy()
    folder.rmdir()


def test_an_orphan_on_the_same_data_is_ended_before_the_next_start(scratch_folder):
    folder = scratch_folder / "orphaned"
    first = EmbeddedPostgres.start(folder, superuser_password=PASSWORD, fsync=False)
    orphan = psutil.Process(first.pid)
    end_predecessor(first.data)
    assert first.pid is None or not orphan.is_running()
    first.destroy()


def test_a_start_that_was_killed_in_the_middle_of_initdb_is_begun_again(scratch_folder):
    folder = scratch_folder / "half"
    half = folder / "postgres" / "data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    with EmbeddedPostgres.start(folder, superuser_password=PASSWORD, fsync=False) as server:
        assert asyncio.run(query(server, "SELECT 1")) == 1
    server.destroy()
