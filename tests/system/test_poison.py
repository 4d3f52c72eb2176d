"""A poison message and an unknown version, through the real bus, the real consumers and the command line."""

import json
import sys
from subprocess import run
from uuid import uuid4

import pytest
from nats.aio.client import Client

from yoyaku.embedded.system import System
from yoyaku.messaging.topology import OPERATOR
from yoyaku.testkit.people import People
from yoyaku.testkit.waiting import eventually

YOYAKU = (sys.executable, "-c", "from yoyaku.cli.main import main; main()")


def yoyaku(system: System, *arguments: str) -> object:
    done = run(
        [*YOYAKU, *arguments, "--data", str(system.data_dir), "--json"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(done.stdout)


async def publish_raw(system: System, subject: str, body: bytes, headers: dict[str, str]) -> None:
    """Put a message on the bus as the operator, past every producer's checks."""
    seed = system.secrets.nkey_seed_file(OPERATOR)
    client = Client()
    await client.connect(system.nats_url, nkeys_seed=str(seed), inbox_prefix=b"_INBOX_operator")
    try:
        await client.jetstream().publish(subject, body, headers=headers)
    finally:
        await client.close()


@pytest.mark.requirement("EV-05", "AU-01")
@pytest.mark.parametrize("version", ["v1", "v9"])
async def test_what_the_detector_cannot_read_is_dead_lettered_and_redriven_and_the_audit_log_keeps_it(
    system: System, people: People, version: str
) -> None:
    mark = str(uuid4())
    subject = f"identity.login.failed.{version}"
    body = json.dumps({"nonsense": mark}).encode()
    before = len(await people.audit_entries())
    await publish_raw(system, subject, body, {"Nats-Msg-Id": mark})

    async def dead_letters() -> list[dict[str, object]]:
        listed = yoyaku(system, "bus", "dead-letters", "list", "--filter", "consumer=security-detector_identity")
        assert isinstance(listed, list)
        return [letter for letter in listed if letter["original_subject"] == subject]

    letters = await eventually(dead_letters, lambda seen: len(seen) == 1)
    assert letters[0]["reason"]

    async def kept() -> list[dict[str, object]]:
        return [e for e in await people.audit_entries(before - 1) if mark in json.dumps(e)]

    entries = await eventually(kept, lambda seen: len(seen) >= 1)
    assert entries[0]["source"] == "/unreadable/IDENTITY"

    yoyaku(system, "bus", "dead-letters", "redrive", "--filter", f"id={letters[0]['sequence']}")
    again = await eventually(
        dead_letters, lambda seen: len(seen) == 1 and seen[0]["sequence"] != letters[0]["sequence"]
    )
    assert again[0]["reason"] == letters[0]["reason"]
