"""Generated files are up to date, drift and breaking changes are named, what is released stays."""

import copy
import json
from pathlib import Path

import pytest
import yaml

from yoyaku.contracts.asyncapi import asyncapi_document
from yoyaku.contracts.generate import WORKSPACE, Places, check, main, released_schemas
from yoyaku.contracts.registry import EVENTS
from yoyaku.contracts.schemas import Schema, event_schemas

pytestmark = pytest.mark.requirement("EV-06")
CONFIRMED = "booking.reservation.confirmed.v1"


@pytest.fixture
def places(tmp_path: Path) -> Places:
    assert main(["--root", str(tmp_path)]) == 0
    assert main(["--root", str(tmp_path), "--release"]) == 0
    return Places(tmp_path)


def without_room(schemas: dict[str, Schema]) -> dict[str, Schema]:
    changed = copy.deepcopy(schemas)
    del changed[CONFIRMED]["properties"]["room_id"]
    changed[CONFIRMED]["required"].remove("room_id")
    return changed


def test_the_checked_in_files_are_up_to_date_and_compatible() -> None:
    assert check(Places(WORKSPACE), event_schemas()) == []


def test_every_event_is_released() -> None:
    assert set(released_schemas(Places(WORKSPACE))) == set(EVENTS)


def test_each_drifted_file_is_named(places: Places, capsys: pytest.CaptureFixture[str]) -> None:
    (places.current / f"{CONFIRMED}.json").write_text("{}")
    (places.current / "booking.room.created.v1.json").unlink()
    (places.current / "gone.v1.json").write_text("{}")
    places.asyncapi.write_text("asyncapi: 3.0.0\n")
    assert main(["--check", "--root", str(places.root)]) == 1
    named = capsys.readouterr().err
    for path in (CONFIRMED, "booking.room.created.v1", "gone.v1"):
        assert f"libs/contracts/schemas/current/{path}.json differs" in named
    assert "docs/api/asyncapi.yaml differs" in named
    assert "identity.login.failed.v1" not in named
    assert main(["--root", str(places.root)]) == 0
    assert main(["--check", "--root", str(places.root)]) == 0
    assert not (places.current / "gone.v1.json").exists()


def test_a_breaking_change_fails_the_check_by_name(places: Places, capsys: pytest.CaptureFixture[str]) -> None:
    broken = without_room(event_schemas())
    main(["--root", str(places.root)], broken)
    assert main(["--check", "--root", str(places.root)], broken) == 1
    assert f"{CONFIRMED} room_id: field removed" in capsys.readouterr().err


def test_a_breaking_change_is_never_released(places: Places, capsys: pytest.CaptureFixture[str]) -> None:
    before = released_schemas(places)
    assert main(["--release", "--root", str(places.root)], without_room(event_schemas())) == 1
    assert f"not released: {CONFIRMED} room_id: field removed" in capsys.readouterr().err
    assert released_schemas(places) == before


def test_an_additive_change_is_released(places: Places) -> None:
    grown = event_schemas()
    grown[CONFIRMED]["properties"]["floor"] = {"type": "integer"}
    assert main(["--release", "--root", str(places.root)], grown) == 0
    assert released_schemas(places)[CONFIRMED] == json.loads(json.dumps(grown[CONFIRMED]))


def test_the_asyncapi_text_says_what_the_document_holds() -> None:
    text = Places(WORKSPACE).asyncapi.read_text(encoding="utf-8")
    assert yaml.safe_load(text) == asyncapi_document()
