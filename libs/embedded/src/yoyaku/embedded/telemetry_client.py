"""Reads traces from a running telemetry store, and waits for spans that are still on their way.

Exporters send in batches, so a trace is whole a moment after the work it describes. Waiting is always bounded.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Self

import httpx
from pydantic import BaseModel, ConfigDict, TypeAdapter

POLL_SECONDS = 0.1
SETTLED_SECONDS = 1.0
TIMEOUT_SECONDS = 10.0


class _Read(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class SpanEvent(_Read):
    """Something that happened at one moment of a span, an exception for instance."""

    name: str
    time_unix_nano: int
    attributes: dict[str, object] = {}


class Span(_Read):
    """One span; times in nanoseconds since the epoch, UTC."""

    span_id: str
    parent_span_id: str | None
    name: str
    kind: str
    service: str
    start_unix_nano: int
    end_unix_nano: int
    status: str
    status_message: str = ""
    attributes: dict[str, object] = {}
    events: tuple[SpanEvent, ...] = ()

    @property
    def failed(self) -> bool:
        """True when the span ended in an error."""
        return self.status == "error"


class LogLine(_Read):
    """One log record of a trace."""

    service: str
    time_unix_nano: int
    severity: str
    body: str
    span_id: str | None
    attributes: dict[str, object] = {}


class TraceSummary(_Read):
    """What the list of traces says about one."""

    trace_id: str
    root_name: str
    root_service: str
    start_unix_nano: int
    duration_nano: int
    span_count: int
    error_count: int
    services: tuple[str, ...]
    refused_spans: int = 0


class Trace(TraceSummary):
    """One trace with its spans and log lines, in the order of time."""

    spans: tuple[Span, ...]
    logs: tuple[LogLine, ...] = ()


_SUMMARIES = TypeAdapter(list[TraceSummary])


class TelemetryUnavailableError(Exception):
    """No telemetry store answers at this address."""


class TelemetryClient:
    """An asynchronous client of one store."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = httpx.AsyncClient(base_url=url, timeout=TIMEOUT_SECONDS, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def trace(self, trace_id: str) -> Trace | None:
        """Return a trace, or None when no span of it is held. Raises TelemetryUnavailableError."""
        answer = await self._get(f"/traces/{trace_id}")
        return None if answer.status_code == httpx.codes.NOT_FOUND else Trace.model_validate_json(answer.content)

    async def newest(self, *, service: str | None = None, name: str | None = None, limit: int) -> list[TraceSummary]:
        """Return traces, newest first. Raises TelemetryUnavailableError."""
        query = {"service": service, "name": name, "limit": str(limit)}
        answer = await self._get("/traces", {key: value for key, value in query.items() if value is not None})
        return _SUMMARIES.validate_json(answer.content)

    async def settled_trace(
        self, trace_id: str, *, wait_seconds: float, until: Callable[[Trace], bool] | None = None
    ) -> Trace | None:
        """Return the trace once `until` holds, or once it has stopped growing; after `wait_seconds` as it is then.

        Raises TelemetryUnavailableError.
        """
        deadline = time.monotonic() + wait_seconds
        size, grown_at = -1, time.monotonic()
        while True:
            found = await self.trace(trace_id)
            now = time.monotonic()
            seen = len(found.spans) + len(found.logs) if found else 0
            if seen != size:
                size, grown_at = seen, now
            settled = found is not None and now - grown_at >= SETTLED_SECONDS
            if now >= deadline or (settled if until is None else found is not None and until(found)):
                return found
            await asyncio.sleep(POLL_SECONDS)

    async def _get(self, path: str, query: dict[str, str] | None = None) -> httpx.Response:
        try:
            answer = await self._http.get(path, params=query)
        except httpx.TransportError as error:
            raise TelemetryUnavailableError(self.url) from error
        if answer.status_code != httpx.codes.NOT_FOUND:
            answer.raise_for_status()
        return answer
