"""Strict when producing, tolerant when consuming, canonical as bytes."""

import json
import re
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import ValidationError

from yoyaku.contracts import subjects
from yoyaku.contracts.booking_v1 import ReservationConfirmed
from yoyaku.contracts.envelope import Event
from yoyaku.contracts.identity_v1 import LoginFailed, LoginFailureReason
from yoyaku.contracts.registry import (
    EVENTS,
    OWNERS,
    InvalidEventError,
    UnknownEventTypeError,
    decode,
    encode,
)
from yoyaku.contracts.values import canonical_address

FAILED: dict[str, Any] = {
    "user_id_digest": "5f" * 32,
    "person_id": None,
    "client_address": "203.0.113.9",
    "reason": "unknown_user",
}


def subclasses(model: type[Event]) -> set[type[Event]]:
    direct = set(model.__subclasses__())
    return direct.union(*(subclasses(one) for one in direct))


@pytest.mark.requirement("EV-01")
def test_every_event_model_is_registered_under_its_own_subject() -> None:
    models = {model for model in subclasses(Event) if model.__module__.startswith("yoyaku.contracts.")}
    assert {model.TYPE: model for model in models} == dict(EVENTS)
    constants = {value for name, value in vars(subjects).items() if re.fullmatch(r"[A-Z_]+_V\d+", name)}
    assert {one for one in constants if not one.startswith("rpc.")} == set(EVENTS)


@pytest.mark.requirement("EV-01")
@pytest.mark.parametrize("event_type", EVENTS)
def test_a_type_is_versioned_and_belongs_to_a_service(event_type: str) -> None:
    assert re.fullmatch(r"[a-z]+(\.[a-z]+){2}\.v[1-9]\d*", event_type)
    assert event_type.partition(".")[0] in OWNERS


@pytest.mark.parametrize("event_type", EVENTS)
def test_an_event_is_frozen_and_refuses_unknown_fields(event_type: str) -> None:
    config = EVENTS[event_type].model_config
    assert config.get("frozen") is True
    assert config.get("extra") == "forbid"


@pytest.mark.requirement("EV-06")
def test_producing_is_strict_and_consuming_tolerant() -> None:
    with pytest.raises(ValidationError):
        LoginFailed(**FAILED, note="later")
    newer = json.dumps({**FAILED, "note": {"nested": True}}).encode()
    assert decode(LoginFailed.TYPE, newer) == LoginFailed(**FAILED)


def test_bytes_are_canonical() -> None:
    event = LoginFailed(**FAILED)
    turned = LoginFailed(**dict(reversed(FAILED.items())))
    assert encode(event) == encode(turned)
    assert (
        encode(event)
        == b'{"client_address":"203.0.113.9","person_id":null,"reason":"unknown_user","user_agent_digest":null,'
        + (b'"user_id_digest":"' + b"5f" * 32)
        + b'"}'
    )


def test_moments_are_kept_in_utc() -> None:
    tokyo = timezone(timedelta(hours=9))
    event = ReservationConfirmed(
        reservation_id="r",
        room_id=1,
        person_id="p",
        starts_at=datetime(2026, 11, 24, 10, tzinfo=tokyo),
        ends_at=datetime(2026, 11, 24, 11, tzinfo=tokyo),
    )
    assert json.loads(encode(event))["starts_at"] == "2026-11-24T01:00:00Z"
    with pytest.raises(ValidationError):
        event.model_validate({**event.model_dump(), "starts_at": datetime(2026, 11, 24, 10)})  # noqa: DTZ001 - naive is meant


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:DB8:0:0::7", "2001:db8::7"),
        ("203.0.113.9", "203.0.113.9"),
        ("testclient", "testclient"),
    ],
)
def test_an_address_has_one_form(text: str, canonical: str) -> None:
    assert canonical_address(text) == canonical
    assert LoginFailed(**{**FAILED, "client_address": text}).client_address == canonical


@pytest.mark.requirement("EV-05")
def test_an_unknown_type_is_named() -> None:
    with pytest.raises(UnknownEventTypeError) as caught:
        decode("booking.reservation.confirmed.v99", b"{}")
    assert caught.value.type == "booking.reservation.confirmed.v99"


@pytest.mark.requirement("EV-05")
@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "body: json_invalid"),
        (b"\xff", "body: json_invalid"),
        (b"[]", "body: model_type"),
        (json.dumps({**FAILED, "reason": "secret-reason"}).encode(), "reason: enum"),
    ],
)
def test_an_invalid_body_is_named_without_its_values(data: bytes, problem: str) -> None:
    with pytest.raises(InvalidEventError) as caught:
        decode(LoginFailed.TYPE, data)
    assert caught.value.problems == (problem,)
    assert "secret-reason" not in str(caught.value)


def test_reasons_are_the_four_known_ones() -> None:
    assert {str(reason) for reason in LoginFailureReason} == {"unknown_user", "wrong_password", "disabled", "blocked"}
