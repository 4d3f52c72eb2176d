from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yoyaku.audit_log.domain.fact import (
    Fact,
    Origin,
    UnstorableFactError,
    headers_as_bytes,
    is_recorded,
    readable_fact,
    unreadable_fact,
)

ORIGIN = Origin("BOOKING", 7)


def make(**changes: Any) -> Fact:
    given_values: dict[str, Any] = {
        "source": "/booking/07",
        "number": 1,
        "event_id": "e",
        "type": "booking.reservation.confirmed.v1",
        "occurred_at": datetime(2026, 11, 23, 12, tzinfo=UTC),
        "actor": "person/1",
        "subject": "reservation/1",
        "correlation_id": "c",
        "causation_id": None,
        "client_address": None,
        "dataschema": "s",
        "traceparent": None,
        "body": b"{}",
        "headers": {},
        "origin": ORIGIN,
    }
    return readable_fact(**(given_values | changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": "a\x00b"},
        {"actor": "\ud800"},
        {"source": "/" + "s" * 600},
        {"number": -1},
        {"number": 2**63},
        {"occurred_at": datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=9)))},
        {"source": "/unreadable/BOOKING"},
    ],
)
@pytest.mark.requirement("AU-01")
def test_what_the_database_would_refuse_is_not_a_readable_fact(changes: dict[str, Any]) -> None:
    with pytest.raises(UnstorableFactError):
        make(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"actor": "person/2"},
        {"subject": "reservation/2"},
        {"causation_id": "x"},
        {"causation_id": ""},
        {"client_address": "127.0.0.1"},
        {"occurred_at": datetime(2026, 11, 23, 13, tzinfo=UTC)},
        {"body": b"{ }"},
        {"number": 2},
        {"event_id": "ec", "correlation_id": ""},
    ],
)
def test_every_attribute_is_in_the_digest(changes: dict[str, Any]) -> None:
    assert make(**changes).fact_sha256 != make().fact_sha256


def test_the_same_moment_in_another_zone_is_the_same_fact() -> None:
    tokyo = datetime(2026, 11, 23, 21, tzinfo=timezone(timedelta(hours=9)))
    assert make(occurred_at=tokyo).fact_sha256 == make().fact_sha256


@given(st.dictionaries(st.text(), st.text()), st.binary(), st.text())
@pytest.mark.requirement("EV-05", "AU-01")
def test_anything_can_be_kept_as_opaque_bytes(headers: dict[str, str], body: bytes, problem: str) -> None:
    fact = unreadable_fact(origin=ORIGIN, headers=headers, body=body, problem=problem)
    assert (fact.source, fact.number, fact.body) == ("/unreadable/BOOKING", 7, body)
    assert fact.problem is not None
    assert "\x00" not in fact.problem
    assert headers_as_bytes(fact.headers).isascii()


def test_checkpoint_facts_are_not_recorded() -> None:
    assert not is_recorded("audit.checkpoint.signed.v1")
    assert is_recorded("audit.integrity.violated.v1")
