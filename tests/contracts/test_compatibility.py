"""Each kind of breaking change is found and named; additive changes pass."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from yoyaku.contracts.compatibility import Breakage, breaking_changes
from yoyaku.contracts.schemas import Schema, event_schemas

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine is no failure."""

pytestmark = pytest.mark.requirement("EV-06")

OLD: Schema = {
    "type": "object",
    "$defs": {
        "Reason": {"type": "string", "enum": ["a", "b"]},
        "Part": {"type": "object", "properties": {"size": {"type": "integer"}}, "required": ["size"]},
    },
    "properties": {
        "id": {"type": "string", "minLength": 1, "maxLength": 10},
        "at": {"type": "string", "format": "date-time"},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "reason": {"$ref": "#/$defs/Reason"},
        "parts": {"type": "array", "items": {"$ref": "#/$defs/Part"}},
        "weights": {"type": "object", "additionalProperties": {"type": "number"}},
    },
    "required": ["id", "at", "reason", "parts"],
}

Change = Callable[[dict[str, Any]], None]


def changed(change: Change) -> Schema:
    new = copy.deepcopy(OLD)
    change(new)
    return new


def fields(schema: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = schema["properties"]
    return found


BREAKING: dict[str, tuple[Change, Breakage, str]] = {
    "field removed": (lambda s: fields(s).pop("note"), Breakage.FIELD_REMOVED, "note"),
    "required field added": (
        lambda s: (fields(s).update(more={"type": "string"}), s["required"].append("more")),  # type: ignore[func-returns-value]
        Breakage.REQUIRED_FIELD_ADDED,
        "more",
    ),
    "field now required": (lambda s: s["required"].append("note"), Breakage.FIELD_NOW_REQUIRED, "note"),
    "field no longer required": (lambda s: s["required"].remove("id"), Breakage.FIELD_NO_LONGER_REQUIRED, "id"),
    "type changed": (lambda s: fields(s).update(id={"type": "integer"}), Breakage.TYPE_CHANGED, "id"),
    "format changed": (lambda s: fields(s)["at"].pop("format"), Breakage.TYPE_CHANGED, "at"),
    "now nullable": (
        lambda s: fields(s).update(id={"anyOf": [fields(OLD)["id"], {"type": "null"}]}),
        Breakage.TYPE_CHANGED,
        "id",
    ),
    "not nullable any more": (lambda s: fields(s).update(note={"type": "string"}), Breakage.TYPE_CHANGED, "note"),
    "enum narrowed": (lambda s: s["$defs"]["Reason"]["enum"].remove("b"), Breakage.ENUM_NARROWED, "reason"),
    "enum from any value": (lambda s: fields(s)["id"].update(enum=["x"]), Breakage.ENUM_NARROWED, "id"),
    "limit tightened": (lambda s: fields(s)["id"].update(maxLength=9), Breakage.LIMIT_TIGHTENED, "id"),
    "limit raised from below": (lambda s: fields(s)["id"].update(minLength=2), Breakage.LIMIT_TIGHTENED, "id"),
    "limit added": (lambda s: fields(s)["id"].update(pattern="^x"), Breakage.LIMIT_TIGHTENED, "id"),
    "nested field removed": (
        lambda s: s["$defs"]["Part"].update(properties={}, required=[]),
        Breakage.FIELD_REMOVED,
        "parts[].size",
    ),
    "elements changed": (
        lambda s: fields(s)["parts"].update(items={"type": "string"}),
        Breakage.TYPE_CHANGED,
        "parts[]",
    ),
    "values changed": (
        lambda s: fields(s)["weights"].update(additionalProperties={"type": "string"}),
        Breakage.TYPE_CHANGED,
        "weights{}",
    ),
}

ADDITIVE: dict[str, Change] = {
    "nothing": lambda s: None,
    "optional field": lambda s: fields(s).update(more={"type": "string"}),
    "enum widened": lambda s: s["$defs"]["Reason"]["enum"].append("c"),
    "looser limit": lambda s: fields(s)["id"].update(maxLength=20, minLength=0),
    "limit dropped": lambda s: fields(s)["id"].pop("maxLength"),
    "description": lambda s: fields(s)["id"].update(description="what it is"),
    "order of fields": lambda s: s.update(properties=dict(reversed(fields(s).items()))),
    "definition moved inline": lambda s: fields(s).update(reason=s["$defs"].pop("Reason")),
}


@pytest.mark.parametrize("name", BREAKING)
def test_a_breaking_change_is_found_and_named(name: str) -> None:
    change, kind, path = BREAKING[name]
    found = breaking_changes({"x.v1": OLD}, {"x.v1": changed(change)})
    assert [(one.event, one.path, one.kind) for one in found] == [("x.v1", path, kind)]
    assert str(found[0]).startswith(f"x.v1 {path}: {kind}")


@pytest.mark.parametrize("name", ADDITIVE)
def test_an_additive_change_is_allowed(name: str) -> None:
    assert breaking_changes({"x.v1": OLD}, {"x.v1": changed(ADDITIVE[name]), "y.v1": OLD}) == []


def test_a_removed_event_is_found() -> None:
    found = breaking_changes({"x.v1": OLD, "y.v1": OLD}, {"x.v1": OLD})
    assert [(one.event, one.kind) for one in found] == [("y.v1", Breakage.EVENT_REMOVED)]


def test_every_kind_of_breakage_is_shown_here() -> None:
    assert {kind for _, kind, _ in BREAKING.values()} | {Breakage.EVENT_REMOVED} == set(Breakage)


@patient
@given(st.sets(st.sampled_from(sorted(BREAKING)), min_size=1), st.sets(st.sampled_from(sorted(ADDITIVE))))
def test_additive_changes_beside_it_never_hide_a_breaking_one(breaking: set[str], additive: set[str]) -> None:
    old = {f"{name}.v1": OLD for name in breaking | additive}
    new = {f"{name}.v1": changed(ADDITIVE[name]) for name in additive}
    new |= {f"{name}.v1": changed(BREAKING[name][0]) for name in breaking}
    assert {one.event for one in breaking_changes(old, new)} == {f"{name}.v1" for name in breaking}


def test_our_own_schemas_are_compatible_with_themselves() -> None:
    assert breaking_changes(event_schemas(), event_schemas()) == []
