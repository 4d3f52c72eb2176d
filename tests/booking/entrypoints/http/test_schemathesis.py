"""The whole API against its own document, by a program that makes up requests: as nobody and as each role (GW-01).

Every check of schemathesis in its four phases, of which the last follows ids from answer to request. Here a few
requests an operation, always the same; `make fuzz N=600` goes on for that many seconds a role, with others each time.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio

from yoyaku.testkit.bus import Bus
from yoyaku.testkit.databases import DatabaseFactory
from yoyaku.testkit.servers import NatsServer

SECONDS = int(os.environ.get("FUZZ_SECONDS", "0"))
"""Without it, the run is short and the same each time."""
PASSWORD = "kaigishitsu wo yoyaku 7"
HOOKS = Path(__file__).with_name("fuzz_hooks.py")
SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")

CONFIGURATION: Final = """
hooks = {hooks}

[phases.fuzzing]
# Not from refusals: a calendar of kind `room` needs a room, and one of kind `mine` would be taken to need it, too.
error-feedback.enabled = false

[checks]
# Rules of the house are no part of a schema: never-open, off-grid, a wrong current password (422), an old tag (412).
positive_data_acceptance.expected-statuses = ["2xx", "3xx", "401", "403", "404", "409", "412", "422", "429", "503"]
# RFC 6585: a precondition that is missing is 428.
missing_required_header.expected-statuses = ["400", "401", "403", "406", "415", "422", "428"]

[[operations]]
# The audit log and the backups do not run here.
include-tag = ["Audit", "Backups"]
checks.not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", "503"]

[dictionaries.time-zones]
values = ["Asia/Tokyo", "America/New_York", "Australia/Lord_Howe", "UTC"]

[dictionaries.starts]
values = ["2031-03-09T05:30:00Z", "2031-11-02T05:00:00Z", "2032-05-05T10:30:00+09:00"]

[dictionaries.ends]
values = ["2031-03-09T07:00:00Z", "2031-11-02T07:30:00Z", "2032-05-05T12:00:00+09:00"]

[parameters]
"body.time_zone" = {{ dictionary = "time-zones", probability = 0.9 }}
"body.starts_at" = {{ dictionary = "starts", probability = 0.8 }}
"body.ends_at" = {{ dictionary = "ends", probability = 0.8 }}
"""
"""What a document cannot say: without it, hardly a room would be made, and nothing be booked."""
SHORT: Final = """
[phases.coverage]
enabled = false

[phases.stateful]
generation.max-examples = 10
"""
"""Every edge of every schema takes longest, so only the long run (`make fuzz`) tries it."""
SIGN_IN: Final = """
[auth.dynamic.openapi.bearer]
path = "/api/v1/auth/login"
payload = {{ user_id = "{user_id}", password = "{password}" }}
extract_selector = "/access_token"
"""
"""Again after each 401, because signing out is among what is tried."""


@pytest_asyncio.fixture(scope="module")
async def own(
    database_factory: DatabaseFactory,
    nats_server: NatsServer,
    test_secrets: Any,
    tmp_path_factory: pytest.TempPathFactory,
    booking_service: Any,
) -> AsyncIterator[Any]:
    """A furnished gateway that this module shares: an ADMIN who tries everything disables other tests' people, too."""
    folder = tmp_path_factory.mktemp("fuzzed")
    database = await database_factory.create("yoyaku.booking")
    service = booking_service.make(database, Bus(nats_server, test_secrets), test_secrets, folder)
    try:
        await service.start_gateway()
        house = await booking_service.furnish(service)
        yield house
        await house.client.aclose()
    finally:
        service.stop()


def run(url: str, folder: Path, configuration: str, own_id: str) -> subprocess.CompletedProcess[str]:
    file = folder / "schemathesis.toml"
    file.write_text(configuration)
    bounds = ["--max-time", str(SECONDS)] if SECONDS else ["--max-examples", "2", "--generation-deterministic"]
    return subprocess.run(
        [
            str(SCHEMATHESIS), "--config-file", str(file), "run", f"{url}/openapi.json", *bounds,
            "--checks", "all", "--suppress-health-check", "all", "--continue-on-failure", "--warnings", "off",
            "--no-color", "--no-shrink", "--request-timeout", "30",
        ],
        capture_output=not SECONDS,
        text=True,
        cwd=folder,
        check=False,
        env={**os.environ, "FUZZ_OWN_ID": own_id},
    )  # fmt: skip


@pytest.mark.requirement("GW-01", "GW-02")
@pytest.mark.parametrize("role", ["nobody", "USER", "ADMIN", "OPERATOR"])
@pytest.mark.timeout(SECONDS * 2 + 180)
async def test_no_answer_contradicts_the_document(own: Any, role: str, tmp_path: Path) -> None:
    configuration, own_id = CONFIGURATION.format(hooks=f'"{HOOKS}"'), ""
    if not SECONDS:
        configuration += SHORT
    if role != "nobody":
        user_id = f"fuzz-{role.lower()}"
        await own.make_user(user_id, role)
        own_id = (await own.client.get("/api/v1/users/me", headers=await own.log_in(user_id))).json()["id"]
        configuration += SIGN_IN.format(user_id=user_id, password=PASSWORD)
    ended = await asyncio.to_thread(run, own.service.url, tmp_path, configuration, own_id)
    assert ended.returncode == 0, (ended.stdout or "")[-60_000:] + (ended.stderr or "")[-2_000:]
