"""Whose personal values are whose."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yoyaku.audit_log.domain.fact import Fact, Origin, readable_fact, unreadable_fact
from yoyaku.audit_log.domain.leaf import canonical, canonical_object
from yoyaku.audit_log.domain.personal import PersonalParts, personal_parts

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
TITLE = frozenset({"title"})
ADDRESS = "192.0.2.7"
CLIENT = f"client/{ADDRESS.encode().hex()}"


def fact(body: bytes = b"{}", actor: str = "person/1", client_address: str | None = ADDRESS, **changes: Any) -> Fact:
    given: dict[str, Any] = {
        "source": "/booking/07", "number": 3, "event_id": "e", "type": "known", "occurred_at": NOON,
        "subject": "room/1", "correlation_id": "c", "causation_id": None, "dataschema": "s",
        "traceparent": None, "headers": {}, "origin": Origin("BOOKING", 4),
    }  # fmt: skip
    return readable_fact(body=body, actor=actor, client_address=client_address, **(given | changes))


def parts(one: Fact, fields: frozenset[str] | None = TITLE) -> PersonalParts:
    return personal_parts(one, canonical_object(one.body), lambda _: fields, str.encode)


OF_TWO = b'{"person_id":"2","title":"x"}'


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (fact(OF_TWO), PersonalParts("person/1", "person/2", TITLE)),
        (fact(OF_TWO, actor="operator"), PersonalParts("person/2", "person/2", TITLE)),
        (fact(b'{"title":"x"}'), PersonalParts("person/1", "person/1", TITLE)),
        (fact(b'{"title":"x"}', actor="anonymous"), PersonalParts(CLIENT, CLIENT, TITLE)),
        (fact(b'{"title":"x"}', "operator", None), PersonalParts(None, "actor/operator", TITLE)),
        (fact(b'{"title":null}', "operator"), PersonalParts(CLIENT)),
        (fact(b"not json"), PersonalParts("person/1", "person/1", None)),
        (fact(b"not json", "anonymous"), PersonalParts(CLIENT, CLIENT, None)),
    ],
)
@pytest.mark.requirement("AU-06")
def test_values_belong_to_the_person_named_then_to_the_actor_then_to_the_address(
    one: Fact, expected: PersonalParts
) -> None:
    assert parts(one) == expected


@pytest.mark.requirement("AU-06")
def test_what_is_not_personal_has_no_key() -> None:
    assert parts(fact(OF_TWO, client_address=None), frozenset()) == PersonalParts()
    unread = unreadable_fact(origin=Origin("BOOKING", 1), headers={}, body=OF_TWO, problem="p")
    assert parts(unread).key_references == ()


@pytest.mark.requirement("AU-06")
def test_of_an_unknown_type_everything_is_the_persons() -> None:
    assert parts(fact(OF_TWO), None) == PersonalParts("person/1", "person/1", None)
    assert parts(fact(OF_TWO, actor="service/x"), None) == PersonalParts("person/2")


@given(st.text(max_size=600), st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=500))
def test_every_reference_can_be_kept(person: str, actor: str) -> None:
    try:
        one = fact(canonical({"person_id": person, "title": "x"}), actor.replace("\x00", "-"))
    except UnicodeEncodeError:
        return
    for reference in parts(one).key_references:
        assert 1 <= len(reference.encode()) <= 200
        assert reference.isprintable()
        assert " " not in reference
    assert json.dumps(parts(one).key_references)
