"""Whatever is changed by hand in a row is found, and what is honest is not (AU-03, AU-05)."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yoyaku.audit_log.domain.inspection import Finding, FindingKind, Inspector, StoredRow, beyond_the_end
from yoyaku.audit_log.domain.leaf import canonical, text_of
from yoyaku.tlog.merkle import leaf_hash

pytestmark = pytest.mark.requirement("AU-03", "AU-05")

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
SIZE = 12


def row(position: int, *, recorded_at: datetime | None = None, **changes: Any) -> StoredRow:
    moment = recorded_at or NOON + timedelta(milliseconds=position // 3)
    members = {
        "v": 1,
        "position": position,
        "recorded_at": text_of(moment),
        "source": "/booking/07",
        "number": position + 1,
        "event_id": f"e-{position}",
        "type": "booking.room.created.v1",
        "occurred_at": text_of(NOON),
        "actor": "person/1",
        "subject": f"room/{position}",
        "correlation_id": "c",
        "body": {"room_id": position},
    } | changes
    leaf = canonical(members)
    return StoredRow(
        position,
        moment,
        leaf,
        leaf_hash(leaf),
        members["event_id"],
        members["source"],
        members["number"],
        members["type"],
        NOON,
        members["actor"],
        members["subject"],
        members["correlation_id"],
    )


HONEST = [row(position) for position in range(SIZE)]
TREE = [one.leaf_hash for one in HONEST]


def inspected(rows: list[StoredRow], tree: list[bytes] | None = TREE, steps: int = SIZE) -> list[Finding]:
    inspector = Inspector(0)
    found: list[Finding] = []
    for start in range(0, SIZE, steps):
        end = min(start + steps, SIZE)
        here = [one for one in rows if start <= one.position < end]
        found += inspector.walk(here, end, tree[start:end] if tree is not None else None)
    return [*found, *beyond_the_end([one for one in rows if one.position >= SIZE], SIZE)]


@given(steps=st.integers(1, SIZE), in_tree=st.booleans())
def test_an_honest_log_gives_no_finding(steps: int, in_tree: bool) -> None:
    assert inspected(HONEST, TREE if in_tree else None, steps) == []


@given(st.integers(0, SIZE - 1), st.integers(0, 400), st.booleans(), st.integers(1, SIZE))
def test_a_flipped_bit_is_found_where_it_is(position: int, place: int, in_tree: bool, steps: int) -> None:
    one = HONEST[position]
    at = place % len(one.leaf)
    changed = replace(one, leaf=one.leaf[:at] + bytes([one.leaf[at] ^ 1]) + one.leaf[at + 1 :])
    rows = [*HONEST[:position], changed, *HONEST[position + 1 :]]
    found = inspected(rows, TREE if in_tree else None, steps)
    assert found
    assert {finding.position for finding in found} == {position}
    assert found[0].kind in {
        FindingKind.ENTRY_EDITED,
        FindingKind.ENTRY_MOVED,
    }  # its own position may be what was flipped


@given(st.integers(0, SIZE - 1))
def test_an_entry_rewritten_with_its_hash_is_found_by_the_tree(position: int) -> None:
    rows = list(HONEST)
    rows[position] = row(position, actor="person/2")
    (finding,) = inspected(rows)
    assert (finding.kind, finding.position) == (FindingKind.ENTRY_EDITED, position)
    assert finding.expected == TREE[position]


@given(st.integers(0, SIZE - 1), st.integers(1, SIZE))
def test_a_missing_entry_is_named(position: int, steps: int) -> None:
    (finding,) = inspected([one for one in HONEST if one.position != position], steps=steps)
    assert (finding.kind, finding.position) == (FindingKind.ENTRY_MISSING, position)


@given(st.lists(st.integers(0, SIZE - 1), min_size=2, max_size=2, unique=True))
def test_entries_that_changed_places_are_named_both(pair: list[int]) -> None:
    first, second = pair
    rows = list(HONEST)
    rows[first], rows[second] = (
        replace(HONEST[second], position=first, recorded_at=HONEST[first].recorded_at),
        replace(HONEST[first], position=second, recorded_at=HONEST[second].recorded_at),
    )
    found = [finding for finding in inspected(rows) if finding.kind is FindingKind.ENTRY_MOVED]
    assert {finding.position for finding in found} == set(pair)


def test_a_second_entry_at_a_position_and_one_past_the_end_are_insertions() -> None:
    found = inspected([*HONEST, replace(row(4, subject="room/99"), recorded_at=NOON + timedelta(days=1)), row(SIZE)])
    assert [(finding.kind, finding.position) for finding in found] == [
        (FindingKind.ENTRY_INSERTED, 4),
        (FindingKind.ENTRY_INSERTED, SIZE),
    ]


def test_a_time_that_goes_back_is_named_in_the_row_and_in_the_entry() -> None:
    moved = replace(HONEST[7], recorded_at=NOON - timedelta(hours=1))
    assert {finding.kind for finding in inspected([*HONEST[:7], moved, *HONEST[8:]])} == {FindingKind.ENTRY_BACK_DATED}
    rewritten = row(7, recorded_at=NOON - timedelta(hours=1))
    tree = [*TREE[:7], rewritten.leaf_hash, *TREE[8:]]
    (finding,) = inspected([*HONEST[:7], rewritten, *HONEST[8:]], tree)
    assert (finding.kind, finding.position) == (FindingKind.ENTRY_BACK_DATED, 7)


@pytest.mark.parametrize(
    "change",
    [
        {"actor": "person/2"},
        {"actor": None},
        {"subject": "room/1000"},
        {"type": "x.v1"},
        {"number": 77},
        {"source": "/booking/08"},
        {"event_id": "other"},
        {"correlation_id": "other"},
        {"occurred_at": NOON + timedelta(seconds=1)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_column_that_says_something_else_is_named(change: dict[str, Any]) -> None:
    rows = [*HONEST[:3], replace(HONEST[3], **change), *HONEST[4:]]
    (finding,) = inspected(rows)
    assert (finding.kind, finding.position) == (FindingKind.COLUMNS_EDITED, 3)
    assert next(iter(change)) in finding.detail


@pytest.mark.parametrize("leaf", [b"", b"\xff", b"[]", b'"x"', b"{", json.dumps({"position": "x"}).encode()])
def test_bytes_that_are_no_entry_are_a_finding_and_no_crash(leaf: bytes) -> None:
    (finding,) = inspected([*HONEST[:3], replace(HONEST[3], leaf=leaf), *HONEST[4:]])
    assert (finding.kind, finding.position) == (FindingKind.ENTRY_EDITED, 3)
