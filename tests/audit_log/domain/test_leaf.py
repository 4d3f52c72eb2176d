"""The bytes of an entry."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yoyaku.audit_log.domain.fact import Fact, Origin, readable_fact, unreadable_fact
from yoyaku.audit_log.domain.leaf import (
    DEEPEST_BODY,
    LARGEST_LEAF_BYTES,
    MalformedLeafError,
    SealedField,
    Sealing,
    canonical,
    canonical_object,
    leaf_of,
    read_leaf,
)
from yoyaku.audit_log.domain.result import result_of

NOON = datetime(2026, 11, 23, 12, 0, 0, 7, tzinfo=UTC)
TOLD = ("source", "number", "event_id", "type", "occurred_at", "actor", "subject", "correlation_id", "causation_id",
        "client_address", "dataschema", "problem", "body")  # fmt: skip

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=20)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(st.text(max_size=5), json_values, max_size=4)
bodies = (
    st.binary(max_size=50)
    | st.builds(lambda v: json.dumps(v).encode(), objects)
    | objects.map(
        lambda v: json.dumps(v, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode(
            errors="surrogatepass"
        )
    )
)


def event(**changes: Any) -> Fact:
    given: dict[str, Any] = {
        "source": "/booking/07", "number": 3, "event_id": "e", "type": "booking.room.created.v1", "occurred_at": NOON,
        "actor": "person/1", "subject": "room/1", "correlation_id": "c", "causation_id": None,
        "client_address": "127.0.0.1", "dataschema": "s", "traceparent": None, "body": b'{"a":1}', "headers": {},
        "origin": Origin("BOOKING", 4),
    }  # fmt: skip
    return readable_fact(**(given | changes))


def seal(key: str, pointer: str, plaintext: bytes) -> dict[str, Any]:
    """Stand where encryption does: readable for the test, recognisable in the leaf."""
    return {"key": key, "sealed": base64.b64encode(f"{pointer}|".encode() + plaintext).decode()}


def opened(field: SealedField) -> bytes | None:
    assert field.sealed is not None
    pointer, _, plaintext = field.sealed.partition(b"|")
    assert pointer.decode() == field.pointer
    return plaintext


facts = st.builds(
    event, number=st.integers(0, 2**63 - 1), actor=texts, subject=texts, causation_id=st.none() | texts,
    client_address=st.none() | texts, body=bodies, occurred_at=st.datetimes(timezones=st.just(UTC)),
)  # fmt: skip
sealings = st.none() | st.builds(
    Sealing,
    st.just(seal),
    st.none() | st.just("person/1"),
    st.none() | st.just("person/2"),
    st.none() | st.frozensets(st.text(max_size=1), max_size=3),
)


@given(facts, st.integers(0, 2**63 - 1), sealings)
@settings(max_examples=60)
@pytest.mark.requirement("AU-01", "AU-02")
def test_a_leaf_gives_back_the_fact_to_the_byte(fact: Fact, position: int, sealing: Sealing | None) -> None:
    written = leaf_of(fact, position, NOON, sealing)
    stored = read_leaf(written.leaf, written.beside, opened)
    assert {name: getattr(stored, name) for name in TOLD} == {name: getattr(fact, name) for name in TOLD}
    assert (stored.position, stored.recorded_at, stored.forgotten) == (position, NOON, ())
    assert canonical(json.loads(written.leaf)) == written.leaf


def test_a_leaf_byte_by_byte() -> None:
    east = timezone(timedelta(hours=9))
    fact = event(occurred_at=datetime(2026, 11, 23, 21, tzinfo=east), body='{"a":"予約","b":[1,2.5,null]}'.encode())
    assert leaf_of(fact, 12, NOON).leaf.decode() == (
        '{"actor":"person/1","body":{"a":"予約","b":[1,2.5,null]},"client_address":"127.0.0.1","correlation_id":"c",'
        '"dataschema":"s","event_id":"e","number":3,"occurred_at":"2026-11-23T12:00:00.000000Z","position":12,'
        '"recorded_at":"2026-11-23T12:00:00.000007Z","source":"/booking/07","subject":"room/1",'
        '"type":"booking.room.created.v1","v":1}'
    )


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"null", b'{"a": 1}', b'{"b":1,"a":1}', b'{"a":1,"a":1}', b'{"a":1.50}', b'{"a":NaN}', b'{"a":1e999}',
     b'{"a":"\\u4e88"}', b'{"a":"\\ud800"}', b'\xef\xbb\xbf{}', b'{"a":-0}', b'{"a":' + b"1" * 5000 + b"}",
     b'{"a":{"key":"k","sealed":"s"}}', b'{"a":{"key":"k","forgotten":true}}',
     b'{"a":' + b"[" * DEEPEST_BODY + b"]" * DEEPEST_BODY + b"}", b'{"a":' * 5000 + b"1" + b"}" * 5000],
)  # fmt: skip
def test_any_other_body_is_kept_as_bytes(body: bytes) -> None:
    assert canonical_object(body) is None
    assert json.loads(leaf_of(event(body=body), 0, NOON).leaf)["body_base64"] == base64.b64encode(body).decode()


def test_what_is_sealed_is_named_by_its_pointer_and_not_readable() -> None:
    sealing = Sealing(seal, "client/c", "person/2", frozenset({"title", "missing", "empty"}))
    fact = event(body=b'{"empty":null,"room":1,"title":"secret"}')
    leaf = leaf_of(fact, 0, NOON, sealing).leaf
    stored = read_leaf(leaf)
    assert b"secret" not in leaf
    assert b"127.0.0.1" not in leaf
    assert stored.forgotten == ("/body/title", "/client_address")
    assert (stored.body, stored.client_address) == (b'{"empty":null,"room":1,"title":null}', None)


@pytest.mark.parametrize("body", [b'{"room":1}', b"not json"])
def test_a_body_is_sealed_whole_where_nothing_says_what_is_personal(body: bytes) -> None:
    leaf = leaf_of(event(body=body), 0, NOON, Sealing(seal, None, "person/1")).leaf
    assert (read_leaf(leaf).body, read_leaf(leaf).forgotten) == (None, ("/body_sealed",))
    assert read_leaf(leaf, None, opened).body == body


@pytest.mark.parametrize("size", [LARGEST_LEAF_BYTES - 400, LARGEST_LEAF_BYTES, 3 * LARGEST_LEAF_BYTES])
@pytest.mark.parametrize("shape", [b'{"a":"%s"}', b"%s"])
@pytest.mark.parametrize("make", [event, lambda body: unreadable_fact(
    origin=Origin("BOOKING", 1), headers={"h": "v" * 70_000}, body=body, problem="p")])  # fmt: skip
def test_no_leaf_is_larger_than_a_bundle_takes(make: Callable[..., Fact], shape: bytes, size: int) -> None:
    fact = make(body=shape % (b"x" * size))
    written = leaf_of(fact, 0, NOON)
    assert len(written.leaf) <= LARGEST_LEAF_BYTES
    assert read_leaf(written.leaf, written.beside).body == fact.body


def test_what_stands_beside_is_checked() -> None:
    written = leaf_of(event(body=b"x" * 70_000), 0, NOON)
    assert written.beside is not None
    with pytest.raises(MalformedLeafError):
        read_leaf(written.leaf, written.beside + b" ")


@given(st.binary(max_size=60) | json_values.map(lambda v: json.dumps(v).encode()))
def test_what_is_no_leaf_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedLeafError):
        read_leaf(data)


@pytest.mark.parametrize(
    ("event_type", "result"),
    [
        ("identity.login.failed.v1", "refused"),
        ("identity.access.denied.v2", "refused"),
        ("identity.request.throttled.v1", "refused"),
        ("identity.token.reused.v1", "refused"),
        ("backup.run.failed.v1", "failed"),
        ("booking.reservation.confirmed.v1", "succeeded"),
        ("login.failed", "refused"),
        ("failed", "failed"),
        ("", "succeeded"),
    ],
)
@pytest.mark.requirement("AU-07")
def test_the_result_is_read_from_the_type(event_type: str, result: str) -> None:
    assert result_of(event_type) == result
