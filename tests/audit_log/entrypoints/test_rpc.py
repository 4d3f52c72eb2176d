import base64
from datetime import UTC, datetime

import pytest

from yoyaku.audit_log.domain.entry import MAX_PAGE_BYTES, Entry, Page, Query
from yoyaku.audit_log.entrypoints.rpc import OnSearch
from yoyaku.audit_log.usecases.search_entries import SearchEntries
from yoyaku.contracts.rpc import AuditLogSearchReply, AuditLogSearchRequest

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


class OneEntry:
    """Entries that hold one entry with a body, whatever is asked."""

    def __init__(self, body: bytes, problem: str | None = None) -> None:
        self.asked: Query | None = None
        self._entry = Entry(
            position=4,
            event_id="e",
            source="/booking/07",
            number=3,
            type="unreadable" if problem else "t",
            occurred_at=NOON,
            recorded_at=NOON,
            actor="person/1",
            subject="room/1",
            correlation_id="c",
            causation_id=None,
            client_address=None,
            traceparent=None,
            body=body,
            problem=problem,
        )

    async def find(self, query: Query, max_bytes: int) -> Page:
        self.asked = query
        return Page([self._entry], 4)


async def answer(body: bytes, problem: str | None = None) -> AuditLogSearchReply:
    """Return the answer as the asker reads it, from its bytes."""
    on_search = OnSearch(SearchEntries(OneEntry(body, problem)))
    reply = await on_search(AuditLogSearchRequest(requested_by="operator"))
    return AuditLogSearchReply.model_validate_json(reply.model_dump_json())


@pytest.mark.requirement("AU-07")
async def test_a_json_body_is_answered_as_an_object() -> None:
    entry = (await answer('{"room_id": 1, "名": ["予約"]}'.encode())).entries[0]
    assert entry.body == {"room_id": 1, "名": ["予約"]}
    assert entry.opaque_body is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"\xff\x00",
        b'{"a": NaN}',
        b'{"a": "\\ud800"}',
        b'{"a": ' * 198 + b"1" + b"}" * 198,
        b'{"a": ' * 5000 + b"1" + b"}" * 5000,
        b"1],[1",
    ],
)
@pytest.mark.requirement("AU-07")
async def test_any_other_body_is_answered_as_opaque_bytes(body: bytes) -> None:
    entry = (await answer(body)).entries[0]
    assert entry.body is None
    assert entry.opaque_body == base64.b64encode(body).decode()


async def test_a_body_too_large_for_the_bus_is_left_out() -> None:
    entry = (await answer(b"x" * (MAX_PAGE_BYTES + 1))).entries[0]
    assert (entry.body, entry.opaque_body) == (None, None)


async def test_what_was_unreadable_has_no_type() -> None:
    entry = (await answer(b"x", problem="ce-id: missing")).entries[0]
    assert entry.type is None
    assert (entry.source, entry.number) == ("/booking/07", 3)


async def test_the_question_is_passed_on_whole() -> None:
    entries = OneEntry(b"")
    question = AuditLogSearchRequest(
        requested_by="operator",
        after_position=3,
        limit=7,
        actor="a",
        subject="s",
        type="t",
        correlation_id="c",
        occurred_from=NOON,
        occurred_before=NOON,
    )
    await OnSearch(SearchEntries(entries))(question)
    assert entries.asked == Query(3, 7, "a", "s", "t", "c", NOON, NOON)
