"""Entries by request-reply.

Invariant: no stored body, however odd, spoils the page that it is on.
"""

import base64
from typing import Any, Final

from pydantic_core import PydanticSerializationError, from_json, to_json

from yoyaku.audit_log.domain.search import MAX_PAGE_BYTES, Filters, Query, ShownEntry
from yoyaku.audit_log.entrypoints.rpc.refusals import refusals
from yoyaku.audit_log.usecases.reader_ports import Reader
from yoyaku.audit_log.usecases.search_entries import SearchEntries
from yoyaku.contracts.rpc import AuditEntry, AuditLogSearchReply, AuditLogSearchRequest, AuditResult
from yoyaku.contracts.values import canonical_address

_NESTING_OF_THE_ANSWER: Final = 3


class OnSearch:
    """Answers `rpc.audit-log.search.v1`."""

    def __init__(self, search: SearchEntries) -> None:
        self._search = search

    async def __call__(self, request: AuditLogSearchRequest) -> AuditLogSearchReply:
        """Return one page."""
        with refusals():
            page = await self._search(
                query_of(request), Reader(request.requested_by, request.asked_from), kind=request.kind
            )
        return AuditLogSearchReply(
            entries=tuple(to_contract(entry) for entry in page.entries),
            next_after_position=page.next_after,
            up_to_position=page.up_to,
        )


def query_of(request: AuditLogSearchRequest) -> Query:
    """Read the question: a position to go on after, and a last one, are one range."""
    after, up_to = request.after_position, request.up_to_position
    lowest, highest = after + 1, up_to
    if request.newest_first:
        lowest = 0
        if after >= 0:
            highest = after - 1 if up_to is None else min(after - 1, up_to)
    return Query(
        Filters(
            actor=request.actor,
            subject=request.subject,
            type=request.type,
            correlation_id=request.correlation_id,
            event_id=request.event_id,
            client_address=None if request.client_address is None else canonical_address(request.client_address),
            result=None if request.result is None else request.result.value,
            occurred_from=request.occurred_from,
            occurred_before=request.occurred_before,
            recorded_from=request.recorded_from,
            recorded_before=request.recorded_before,
        ),
        lowest=lowest,
        highest=highest,
        limit=request.limit,
        newest_first=request.newest_first,
    )


def to_contract(entry: ShownEntry) -> AuditEntry:
    """Write an entry for the asker."""
    event = entry.event
    if event is None:
        return _of_bytes(entry)
    body = None if event.body is None else _json_object(event.body)
    opaque = event.body if event.body is not None and body is None and len(event.body) <= MAX_PAGE_BYTES else None
    return AuditEntry(
        position=entry.position,
        event_id=event.event_id,
        source=event.source,
        number=event.number,
        type=event.type if event.problem is None else None,
        occurred_at=event.occurred_at,
        recorded_at=entry.recorded_at,
        actor=event.actor,
        subject=event.subject,
        correlation_id=event.correlation_id,
        causation_id=event.causation_id,
        client_address=event.client_address,
        result=None if entry.result is None else AuditResult(entry.result),
        forgotten=event.forgotten,
        body=body,
        opaque_body=None if opaque is None else base64.b64encode(opaque).decode(),
        body_sha256=entry.body_sha256,
    )


def _of_bytes(entry: ShownEntry) -> AuditEntry:
    """Write stored bytes that are no leaf any more: somebody changed them, which verification finds."""
    return AuditEntry(
        position=entry.position,
        event_id=None,
        source=None,
        number=None,
        type=None,
        occurred_at=None,
        recorded_at=entry.recorded_at,
        actor=None,
        subject=None,
        correlation_id=None,
        causation_id=None,
        client_address=None,
        body=None,
        opaque_body=base64.b64encode(entry.leaf).decode(),
    )


def _json_object(data: bytes) -> dict[str, Any] | None:
    """Read a body that survives being part of an answer: valid Unicode, finite numbers, not nested too deeply."""
    if len(data) > MAX_PAGE_BYTES:
        return None
    try:
        body = from_json(data, allow_inf_nan=False)
        from_json(b"[" * _NESTING_OF_THE_ANSWER + data + b"]" * _NESTING_OF_THE_ANSWER)
        to_json(body)
    except (ValueError, PydanticSerializationError):
        return None
    return body if isinstance(body, dict) else None
