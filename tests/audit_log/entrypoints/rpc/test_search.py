import base64
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

import pytest

from yoyaku.audit_log.domain.fact import Origin, unreadable_fact
from yoyaku.audit_log.domain.leaf import Open, Sealing, leaf_of
from yoyaku.audit_log.domain.search import MAX_PAGE_BYTES, Filters, HotFound, Query, StoredEntry
from yoyaku.audit_log.entrypoints.rpc.search import OnSearch
from yoyaku.audit_log.usecases.every_entry import EveryEntry
from yoyaku.audit_log.usecases.reader_ports import NothingSealed, Read, ReadNotRecordedError
from yoyaku.audit_log.usecases.search_entries import SearchEntries
from yoyaku.audit_log.usecases.show_entries import ShowEntries
from yoyaku.contracts.rpc import AuditLogSearchReply, AuditLogSearchRequest, AuditResult
from yoyaku.messaging.rpc import RpcFailedError

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


class OneEntry:
    """A database that holds one entry, whatever is asked."""

    def __init__(self, leaf: bytes, beside: bytes | None = None) -> None:
        self.asked: Query | None = None
        self._entry = StoredEntry(4, NOON, 1, leaf, "refused", beside)

    async def find(self, query: Query, max_bytes: int) -> HotFound:
        self.asked = query
        return HotFound([self._entry], True, 0, 9)


class Remembered:
    """Reads that are recorded, unless they cannot be."""

    def __init__(self, *, works: bool = True) -> None:
        self.reads: list[Read] = []
        self._works = works

    async def record(self, read: Read) -> None:
        if not self._works:
            raise ReadNotRecordedError("the database is away")
        self.reads.append(read)


class Keys:
    """Opens what was sealed under the keys that there still are."""

    def __init__(self, *existing: str) -> None:
        self._existing = existing

    async def opener(self, key_references: Collection[str]) -> Open:
        return lambda field: field.sealed if field.key_reference in self._existing else None


def on_search(entries: Any, reads: Remembered | None = None, keys: Keys | None = None) -> OnSearch:
    every = EveryEntry(entries, NothingSealed())
    return OnSearch(SearchEntries(every, ShowEntries(keys or Keys()), reads or Remembered()))


async def asked(search: OnSearch, **question: Any) -> AuditLogSearchReply:
    """Return the answer as the asker reads it, from its bytes."""
    reply = await search(AuditLogSearchRequest(requested_by="operator", **question))
    return AuditLogSearchReply.model_validate_json(reply.model_dump_json())


@pytest.fixture
def answer(fact: Any) -> Any:
    async def answered(body: bytes, problem: str | None = None) -> AuditLogSearchReply:
        readable = fact(3, body=body)
        if problem:
            readable = unreadable_fact(origin=Origin("BOOKING", 3), headers={}, body=body, problem=problem)
        written = leaf_of(readable, 4, NOON)
        beside = written.beside if len(written.beside or b"") <= MAX_PAGE_BYTES else None
        return await asked(on_search(OneEntry(written.leaf, beside)))

    return answered


@pytest.mark.requirement("AU-07")
async def test_a_json_body_is_answered_as_an_object(answer: Any) -> None:
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
async def test_any_other_body_is_answered_as_opaque_bytes(answer: Any, body: bytes) -> None:
    entry = (await answer(body)).entries[0]
    assert entry.body is None
    assert entry.opaque_body == base64.b64encode(body).decode()


async def test_a_body_too_large_for_the_bus_is_left_out_and_named(answer: Any) -> None:
    entry = (await answer(b"x" * (MAX_PAGE_BYTES + 1))).entries[0]
    assert (entry.body, entry.opaque_body) == (None, None)
    assert len(entry.body_sha256 or "") == 64


async def test_what_was_unreadable_has_no_type(answer: Any) -> None:
    entry = (await answer(b"x", problem="ce-id: missing")).entries[0]
    assert entry.type is None
    assert (entry.source, entry.number, entry.opaque_body) == ("/unreadable/BOOKING", 3, "eA==")


@pytest.mark.parametrize("leaf", [b"", b"{", b"[]", b"{}", b'{"v":1}', b"\xff" * 20, b'{"position":4,"body":{"a":1}}'])
async def test_bytes_that_somebody_made_of_a_leaf_are_shown_as_bytes(leaf: bytes) -> None:
    page = await asked(on_search(OneEntry(leaf)))
    assert page.entries[0].position == 4
    assert page.entries[0].opaque_body == base64.b64encode(leaf).decode()


@pytest.mark.requirement("AU-06", "AU-07")
async def test_personal_fields_are_shown_while_their_key_exists_and_named_when_it_does_not(fact: Any) -> None:
    def seal(key_reference: str, pointer: str, plaintext: bytes) -> dict[str, Any]:
        return {"key": key_reference, "sealed": base64.b64encode(plaintext).decode()}

    sealing = Sealing(seal, address_key="client/1", body_key="person/1", body_fields=frozenset({"title"}))
    leaf = leaf_of(fact(3, body=b'{"room_id":1,"title":"x"}'), 4, NOON, sealing).leaf
    known = (await asked(on_search(OneEntry(leaf), keys=Keys("client/1", "person/1")))).entries[0]
    assert (known.client_address, known.body, known.forgotten) == ("127.0.0.1", {"room_id": 1, "title": "x"}, ())
    half = (await asked(on_search(OneEntry(leaf), keys=Keys("client/1")))).entries[0]
    assert (half.client_address, half.body) == ("127.0.0.1", {"room_id": 1, "title": None})
    assert half.forgotten == ("/body/title",)
    forgotten = (await asked(on_search(OneEntry(leaf)))).entries[0]
    assert (forgotten.client_address, forgotten.forgotten) == (None, ("/body/title", "/client_address"))


@pytest.mark.requirement("AU-07")
async def test_the_question_is_passed_on_whole_and_the_read_recorded() -> None:
    entries, reads = OneEntry(b"{}"), Remembered()
    filters: dict[str, Any] = {
        "actor": "a",
        "subject": "s",
        "type": "t",
        "correlation_id": "c",
        "event_id": "e",
        "client_address": "::ffff:192.0.2.1",
        "result": AuditResult.REFUSED,
        "occurred_from": NOON,
        "occurred_before": NOON,
        "recorded_from": NOON,
        "recorded_before": NOON,
    }
    search = on_search(entries, reads)
    page = await asked(search, after_position=3, up_to_position=7, limit=7, asked_from="192.0.2.9", **filters)
    wanted = Filters(**filters | {"client_address": "192.0.2.1", "result": "refused"})
    assert entries.asked == Query(wanted, 4, 7, 7)
    assert (page.next_after_position, page.up_to_position) == (4, 7)
    (read,) = reads.reads
    assert (read.reader, read.kind, read.positions, read.client_address) == ("operator", "search", [4], "192.0.2.9")
    assert read.filters["client_address"] == "192.0.2.1"
    assert read.filters["recorded_from"] == "2026-11-23T12:00:00.000000Z"
    assert len(read.filters) == len(filters)


@pytest.mark.parametrize(
    ("question", "lowest", "highest"),
    [
        ({}, 0, None),
        ({"after_position": 5}, 6, None),
        ({"newest_first": True}, 0, None),
        ({"newest_first": True, "after_position": 5}, 0, 4),
        ({"newest_first": True, "after_position": 5, "up_to_position": 3}, 0, 3),
        ({"newest_first": True, "after_position": 0}, 0, -1),
    ],
)
async def test_a_page_is_a_range_of_positions(question: dict[str, Any], lowest: int, highest: int | None) -> None:
    entries = OneEntry(b"{}")
    await asked(on_search(entries), **question)
    assert entries.asked is not None
    assert (entries.asked.lowest, entries.asked.highest) == (lowest, highest)


@pytest.mark.requirement("AU-07")
async def test_what_cannot_be_recorded_is_not_shown() -> None:
    with pytest.raises(RpcFailedError) as refused:
        await asked(on_search(OneEntry(b"{}"), Remembered(works=False)))
    assert refused.value.code == "unrecorded"
