import json
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate

from yoyaku.booking.entrypoints.commands import openapi_differs, openapi_text

DOCUMENT = Path(__file__).parents[3] / "docs" / "api" / "openapi.json"


@pytest.mark.requirement("GW-01")
def test_the_document_is_this_codes() -> None:
    assert not openapi_differs(DOCUMENT), "write it again: yoyaku booking openapi --write docs/api/openapi.json"


@pytest.mark.requirement("GW-01")
def test_the_document_is_openapi_3_1() -> None:
    document = json.loads(openapi_text())
    assert document["openapi"].startswith("3.1")
    validate(document)
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)


@pytest.mark.requirement("ID-06")
async def test_the_first_admin_takes_a_password_from_a_file(service: Any, tmp_path: Path) -> None:
    missing = service.run("create-admin", "--user-id", "boss", "--password-file", str(tmp_path / "none"), "--json")
    assert (missing.returncode, missing.stdout) == (2, "")
    assert str(tmp_path / "none") in missing.stderr
    given = tmp_path / "given"
    given.write_text("shiny new kaigishitsu 41\n")
    made = service.run("create-admin", "--user-id", "boss", "--password-file", str(given), "--json")
    assert json.loads(made.stdout) == {"user_id": "boss", "password": "shiny new kaigishitsu 41"}


@pytest.mark.requirement("ID-06")
async def test_the_first_admin_is_made_once(service: Any) -> None:
    first = service.run("create-admin", "--user-id", "boss", "--json")
    assert first.returncode == 0, first.stderr
    made = json.loads(first.stdout)
    assert made["user_id"] == "boss"
    assert len(made["password"]) >= 20
    assert made["password"] not in first.stderr
    second = service.run("create-admin", "--user-id", "other", "--json")
    assert second.returncode == 3
    assert second.stdout == ""
    unknown = service.run("reset-password", "nobody")
    assert (unknown.returncode, unknown.stdout) == (2, "")
    reset = service.run("reset-password", "BOSS", "--json")
    assert reset.returncode == 0, reset.stderr
    assert len(json.loads(reset.stdout)["password"]) >= 20
    assert json.loads(reset.stdout)["password"] not in {made["password"], reset.stderr}
