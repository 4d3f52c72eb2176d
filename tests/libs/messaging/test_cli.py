import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from nats.js import JetStreamContext
from typer.testing import CliRunner, Result

from yoyaku.messaging.cli import app
from yoyaku.messaging.dead_letters import bury
from yoyaku.messaging.topology import AUDIT_LOG_BOOKING, BUS_USERS, OPERATOR, PROVISIONER
from yoyaku.testkit.bus import Bus

Run = Callable[..., Awaitable[Result]]


@pytest.fixture
def data(bus: Bus, tmp_path: Path) -> Path:
    """The data folder of a running system."""
    seeds = {user: str(bus.seed_file(user)) for user in (PROVISIONER, OPERATOR)}
    (tmp_path / "connection.json").write_text(json.dumps({"nats_url": bus.url, "nats_seed_files": seeds}))
    return tmp_path


@pytest.fixture
def run() -> Run:
    """Run `yoyaku bus ...` in a thread of its own: it brings its own event loop."""

    async def call(*arguments: object) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, app, [str(argument) for argument in arguments])

    return call


@pytest.fixture
def make_dead(js: JetStreamContext, publisher):
    async def make(count: int) -> list[str]:
        ids = await publisher.publish_many(count)
        subscription = await js.pull_subscribe_bind(AUDIT_LOG_BOOKING.durable, AUDIT_LOG_BOOKING.stream)
        for _ in range(count):
            (message,) = await subscription.fetch(1, timeout=10)
            await bury(js, message, AUDIT_LOG_BOOKING, reason="failed 5 times", error=ValueError("x"))
            await message.ack()
        return ids

    return make


@pytest.mark.requirement("EV-02")
async def test_check_names_each_drift_and_exits_1_and_provision_repairs_it(js: JetStreamContext, data: Path, run: Run):
    assert (await run("check", "--data", data)).exit_code == 0
    await js.delete_consumer("IDENTITY", "security-detector_identity")
    found = await run("check", "--data", data)
    assert found.exit_code == 1
    assert "security-detector_identity" in found.stdout
    assert "missing" in found.stdout
    as_json = await run("check", "--data", data, "--json")
    assert as_json.exit_code == 1
    assert json.loads(as_json.stdout) == [
        {
            "kind": "consumer",
            "name": "security-detector_identity",
            "field": "missing",
            "expected": "present",
            "found": "absent",
        }
    ]
    assert (await run("provision", "--data", data)).exit_code == 0
    repaired = await run("check", "--data", data, "--json")
    assert (repaired.exit_code, json.loads(repaired.stdout)) == (0, [])


@pytest.mark.requirement("EV-08")
async def test_provision_renders_the_accounts_of_the_server(bus: Bus, data: Path, run: Run, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps(bus.secrets.nkeys_public(BUS_USERS)))
    accounts = tmp_path / "accounts.conf"
    done = await run("provision", "--data", data, "--accounts-file", accounts, "--public-keys", keys)
    assert done.exit_code == 0
    printed = await run("accounts", "--public-keys", keys)
    assert printed.stdout == accounts.read_text()
    assert all(bus.secrets.nkey_public(user) in printed.stdout for user in BUS_USERS)
    keys.write_text("{}")
    assert (await run("accounts", "--public-keys", keys)).exit_code == 2


@pytest.mark.requirement("EV-05")
async def test_dead_letters_are_listed_shown_and_put_back(
    js: JetStreamContext, data: Path, run: Run, make_dead
) -> None:
    ids = await make_dead(3)
    listed = await run("dead-letters", "list", "--data", data, "--json")
    assert [letter["event_id"] for letter in json.loads(listed.stdout)] == ids
    table = await run("dead-letters", "list", "--data", data)
    assert "booking.room.created.v1" in table.stdout

    shown = await run("dead-letters", "show", ids[1], "--data", data, "--json")
    assert json.loads(shown.stdout)["body"]["site"] == "Kyoto"
    assert json.loads(shown.stdout)["headers"]["ce-id"] == ids[1]
    assert (await run("dead-letters", "show", "99", "--data", data)).exit_code == 1

    dry = await run("dead-letters", "redrive", "--filter", "stream=BOOKING", "--dry-run", "--json", "--data", data)
    assert len(json.loads(dry.stdout)["would_redrive"]) == 3
    one = await run("dead-letters", "redrive", "--filter", f"id={ids[0]}", "--json", "--data", data)
    assert json.loads(one.stdout) == {"redriven": 1, "failed": []}
    rest = await run("dead-letters", "redrive", "--all", "--data", data)
    assert rest.exit_code == 0
    assert "2 put back" in rest.stderr
    assert (await js.stream_info("BOOKING")).state.messages == 6
    assert (await js.stream_info("DEAD_LETTERS")).state.messages == 0


@pytest.mark.requirement("EV-05")
async def test_redrive_asks_which_and_says_what_did_not_go_back(js: JetStreamContext, data: Path, run: Run, make_dead):
    await make_dead(1)
    assert (await run("dead-letters", "redrive", "--data", data)).exit_code == 2
    assert (await run("dead-letters", "redrive", "--filter", "colour=red", "--data", data)).exit_code == 2
    config = (await js.stream_info("BOOKING")).config
    await js.update_stream(config.evolve(max_msgs=1))
    refused = await run("dead-letters", "redrive", "--all", "--json", "--data", data)
    assert refused.exit_code == 1
    assert [problem["sequence"] for problem in json.loads(refused.stdout)["failed"]] == [1]
    assert (await js.stream_info("DEAD_LETTERS")).state.messages == 1


async def test_without_an_address_the_command_says_what_to_do(tmp_path: Path, run: Run) -> None:
    lost = await run("check", "--data", tmp_path)
    assert lost.exit_code == 3
    assert "YOYAKU_NATS__URL" in lost.stderr
    (tmp_path / "connection.json").write_text("{}")
    assert (await run("check", "--data", tmp_path)).exit_code == 3


async def test_the_environment_wins_over_the_data_folder(
    bus: Bus, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("YOYAKU_NATS__URL", bus.url)
    monkeypatch.setenv("YOYAKU_NATS__NKEY_SEED_FILE", str(bus.seed_file(OPERATOR)))
    assert (await run("check", "--data", tmp_path)).exit_code == 0


@pytest.mark.requirement("EV-08")
async def test_a_command_with_the_wrong_identity_is_told_what_the_bus_refused(
    bus: Bus, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("YOYAKU_NATS__URL", bus.url)
    refused = await run("check", "--data", tmp_path)
    assert refused.exit_code == 3
    assert "refused" in refused.stderr


async def test_a_bus_that_does_not_answer_is_an_error_of_one_line(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("YOYAKU_NATS__URL", "nats://127.0.0.1:9")
    away = await run("check", "--data", tmp_path)
    assert away.exit_code == 3
    assert "127.0.0.1:9" in away.stderr
    assert "Traceback" not in away.stderr
