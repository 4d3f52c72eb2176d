"""Every event and version has a sample of what was once published, and it is readable for ever (EV-06)."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from yoyaku.contracts.envelope import from_headers, to_headers
from yoyaku.contracts.generate import WORKSPACE, Places, released_schemas
from yoyaku.contracts.registry import EVENTS, decode, encode

pytestmark = pytest.mark.requirement("EV-06")

GOLDEN = Path(__file__).parent / "golden"
SAMPLES = sorted(GOLDEN.glob("*.json"))


def read(path: Path) -> dict[str, Any]:
    sample: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return sample


def test_every_event_has_a_golden_sample() -> None:
    assert {path.stem for path in SAMPLES} >= set(EVENTS)


def test_every_released_event_has_a_golden_sample() -> None:
    assert {path.stem for path in SAMPLES} >= set(released_schemas(Places(WORKSPACE)))


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_a_golden_sample_is_read_and_nothing_of_it_is_lost(path: Path) -> None:
    sample = read(path)
    envelope = from_headers(sample["headers"])
    assert to_headers(envelope) == sample["headers"]
    assert envelope.type == path.stem
    event = decode(envelope.type, json.dumps(sample["body"]).encode())
    written = json.loads(encode(event))
    moments = {name for name, value in sample["body"].items() if written.get(name) != value}
    again = decode(envelope.type, encode(event))
    assert again == event
    assert all(getattr(event, name).isoformat() for name in moments), "only the writing of a moment may differ"


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_a_golden_sample_fits_the_released_schema(path: Path) -> None:
    schema = released_schemas(Places(WORKSPACE)).get(path.stem)
    if schema is None:
        pytest.skip("this event is not released yet")
    validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    validator.validate(read(path)["body"])
    assert read(path)["headers"]["ce-dataschema"] == schema["$id"]
