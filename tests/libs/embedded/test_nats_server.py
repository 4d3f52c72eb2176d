"""Real servers: the embedded NATS starts, lets in only known nkeys, keeps its streams, outlives nobody."""

import os
import subprocess
import sys

import nats
import nats.errors
import nkeys
import psutil
import pytest

from yoyaku.embedded.nats_server import EmbeddedNats
from yoyaku.embedded.ports import PortTakenError
from yoyaku.embedded.secrets import SecretsFolder

pytestmark = [pytest.mark.nats, pytest.mark.requirement("DL-01")]

PARENT = """
import sys, time
from pathlib import Path
from yoyaku.embedded.nats_server import EmbeddedNats
server = EmbeddedNats.start(Path(sys.argv[1]), accounts_config=sys.argv[2])
print(server.pid, server.port, flush=True)
time.sleep(600)
"""


@pytest.fixture
def secrets(tmp_path):
    return SecretsFolder(tmp_path / "secrets")


@pytest.fixture
def accounts(secrets):
    return f"accounts {{ ONE {{ jetstream: enabled, users: [ {{ nkey: {secrets.nkey_public('someone')} }} ] }} }}\n"


@pytest.fixture
def server(tmp_path, accounts):
    running = EmbeddedNats.start(tmp_path, accounts_config=accounts)
    yield running
    running.destroy()


async def connect(server, seed_file):
    async def silent(_):
        return None

    return await nats.connect(server.url, nkeys_seed=str(seed_file), allow_reconnect=False, error_cb=silent)


async def test_streams_survive_a_kill_and_the_address_stays(server, secrets):
    client = await connect(server, secrets.nkey_seed_file("someone"))
    stream = client.jetstream()
    await stream.add_stream(name="KEPT", subjects=["kept.>"])
    await stream.publish("kept.one", b"1")
    await client.close()
    url = server.url
    server.kill()
    assert not server.is_ready()
    server.restart()
    assert server.url == url
    client = await connect(server, secrets.nkey_seed_file("someone"))
    assert (await client.jetstream().stream_info("KEPT")).state.messages == 1
    await client.close()


async def test_an_unknown_nkey_and_no_nkey_are_refused(server, tmp_path):
    stranger = tmp_path / "stranger.nk"
    stranger.write_bytes(nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER))
    with pytest.raises(Exception, match="Authorization Violation"):
        await connect(server, stranger)
    with pytest.raises(Exception, match=r"(?i)auth|nkey"):
        await nats.connect(server.url, allow_reconnect=False, max_reconnect_attempts=0, error_cb=_silent)


async def _silent(_):
    return None


def test_it_listens_on_loopback_only(server):
    listening = {
        c.laddr.ip for c in psutil.Process(server.pid).net_connections("tcp") if c.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}


def test_a_fixed_port_that_is_taken_is_refused_with_its_holder(server, tmp_path, accounts):
    with pytest.raises(PortTakenError, match="nats-server"):
        EmbeddedNats.start(tmp_path / "second", accounts_config=accounts, port=server.port)


def test_it_ends_when_its_parent_is_killed_dash_nine(tmp_path, accounts):
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path), accounts], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    pid, port = (int(part) for part in parent.stdout.readline().split())
    server = psutil.Process(pid)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    psutil.wait_procs([server], timeout=20)
    assert not server.is_running() or server.status() == psutil.STATUS_ZOMBIE
    with EmbeddedNats.start(tmp_path, accounts_config=accounts, port=port) as again:
        assert again.is_ready()


def test_an_orphan_on_the_same_folder_is_ended_before_the_next_start(tmp_path, accounts):
    first = EmbeddedNats.start(tmp_path, accounts_config=accounts)
    with EmbeddedNats.start(tmp_path, accounts_config=accounts, port=first.port) as second:
        assert second.is_ready()
        assert first.pid is None


def test_the_configuration_holds_no_seed_and_is_private(server, secrets, tmp_path):
    seed = secrets.nkey_seed_file("someone").read_text().strip()
    for file in (tmp_path / "nats").glob("*.conf"):
        assert seed not in file.read_text()
        assert file.stat().st_mode & 0o077 == 0
