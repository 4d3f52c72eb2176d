"""Questions in: entries by request-reply, answered by any replica.

Invariant: no stored body, however odd, spoils the page that it is on.
"""

import base64
from typing import Any, Final

from pydantic_core import PydanticSerializationError, from_json, to_json

from yoyaku.audit_log.domain.entry import MAX_PAGE_BYTES, Entry, Query
from yoyaku.audit_log.domain.result import result_of
from yoyaku.audit_log.usecases.search_entries import SearchEntries
from yoyaku.contracts.rpc import AuditEntry, AuditLogSearchReply, AuditLogSearchRequest
from yoyaku.contracts.rpc_audit import AuditResult

_NESTING_OF_THE_ANSWER: Final = 3


class OnSearch:
    """Answers `rpc.audit-log.search.v1`."""

    def __init__(self, search: SearchEntries) -> None:
        self._search = search

    async def __call__(self, request: AuditLogSearchRequest) -> AuditLogSearchReply:
        """Return one page."""
        page = await self._search(
            Query(
                after=request.after_position,
                limit=request.limit,
                actor=request.actor,
                subject=request.subject,
                type=request.type,
                correlation_id=request.correlation_id,
                occurred_from=request.occurred_from,
                occurred_before=request.occurred_before,
            )
        )
        return AuditLogSearchReply(
            entries=tuple(_to_contract(entry) for entry in page.entries), next_after_position=page.next_after
        )


def _to_contract(entry: Entry) -> AuditEntry:
    stored = entry.body
    body = None if stored is None else _json_object(stored)
    fits = stored is not None and len(stored) <= MAX_PAGE_BYTES
    return AuditEntry(
        position=entry.position,
        event_id=entry.event_id,
        source=entry.source,
        number=entry.number,
        type=entry.type if entry.problem is None else None,
        occurred_at=entry.occurred_at,
        recorded_at=entry.recorded_at,
        actor=entry.actor,
        subject=entry.subject,
        correlation_id=entry.correlation_id,
        causation_id=entry.causation_id,
        client_address=entry.client_address,
        result=AuditResult(result_of(entry.type)) if entry.problem is None else None,
        forgotten=entry.forgotten,
        body=body,
        opaque_body=base64.b64encode(stored).decode() if stored is not None and body is None and fits else None,
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
