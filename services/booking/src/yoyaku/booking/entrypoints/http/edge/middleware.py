"""The one layer around every request: trace, address, block, limits, headers, and the last resort.

Plain ASGI and one object, because each layer is paid for by every booking. Invariant: every response carries the trace
id and the headers of GW-03; no exception leaves this layer.
"""

import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

from loguru import logger
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, Status, StatusCode
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from yoyaku.booking.domain.errors import TooManyRequestsError
from yoyaku.booking.entrypoints.http.edge.client_address import TrustedProxies
from yoyaku.booking.entrypoints.http.edge.cors import Cors
from yoyaku.booking.entrypoints.http.edge.deadline import within
from yoyaku.booking.entrypoints.http.edge.draining import Draining
from yoyaku.booking.entrypoints.http.edge.host import check_host
from yoyaku.booking.entrypoints.http.edge.limits import Concurrency, is_limited, note, standing_headers
from yoyaku.booking.entrypoints.http.problems import Problem, problem_of, unexpected
from yoyaku.booking.settings import GatewaySettings
from yoyaku.booking.wiring.gateway import Gateway
from yoyaku.observability.metrics import meter
from yoyaku.observability.tracing import context_from, tracer

TRACE_ID_HEADER: Final = b"x-trace-id"
ADDRESS_KEY: Final = "yoyaku.client_address"
HEADER_LIMIT_BYTES: Final = 16 * 1024
TARGET_LIMIT_BYTES: Final = 8 * 1024

_CALENDARS: Final = "/api/v1/calendars/"
_HEALTH: Final = "/health/"
_API_POLICY: Final = b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
_STANDARD: Final[tuple[tuple[bytes, bytes], ...]] = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (
        b"permissions-policy",
        b"camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-embedder-policy", b"require-corp"),
    (b"cross-origin-resource-policy", b"same-origin"),
    # granian names itself wherever the application does not fill this in.
    (b"server", b""),
)
_DEFAULTS: Final[tuple[tuple[bytes, bytes], ...]] = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", _API_POLICY),
)
"""Sent unless the response says otherwise."""
_TRANSPORT: Final = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")
_CLOSE: Final = (b"connection", b"close")
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"})

_TRACER: Final = tracer("yoyaku.booking.http")
_METER: Final = meter("yoyaku.booking.http")


class Edge:
    """Wraps the application."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        gateway: Callable[[], Gateway],
        settings: GatewaySettings,
        now: Callable[[], datetime],
        draining: Draining,
    ) -> None:
        self._app = app
        self._gateway = gateway
        self._settings = settings
        self._now = now
        self._draining = draining
        self._proxies = TrustedProxies(settings.trusted_proxies, settings.forwarded_header)
        limits = settings.rate_limit
        self._concurrency = Concurrency(limits.concurrent_per_address, limits.ipv6_prefix_bits)
        origins = settings.cors_origins
        self._cors: Callable[[ASGIApp], ASGIApp] | None = partial(Cors, origins=origins) if origins else None
        if self._cors is not None:
            self._app = self._cors(app)
        self._duration = _METER.create_histogram(
            "http.server.request.duration",
            unit="s",
            description="Time from the request's headers to the end of the answer",
        )
        self._active = _METER.create_up_down_counter(
            "http.server.active_requests", unit="{request}", description="Requests being answered"
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; other kinds of scope pass through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        believed = self._locate(scope)
        if scope["path"].startswith(_HEALTH):
            await self._untraced(scope, receive, send, None)
            return
        # The quota first, so that those who are blocked or call us by another name use theirs up too.
        refusal = self._throttled(scope) or self._refusal(scope)
        if refusal is not None:
            # A flood of requests is no flood of spans.
            await self._untraced(scope, receive, send, refusal)
            return
        await self._traced(scope, receive, send, believed=believed)

    def _locate(self, scope: Scope) -> bool:
        """Note where the request comes from; say whether it may name the trace that it belongs to."""
        client = scope.get("client")
        origin = self._proxies.origin(client[0] if client else None, scope["scheme"], scope["headers"])
        scope[ADDRESS_KEY] = origin.address
        scope["scheme"] = origin.scheme
        return origin.by_proxy or self._settings.trust_traceparent

    async def _untraced(self, scope: Scope, receive: Receive, send: Send, refusal: Problem | None) -> None:
        """Answer with a trace id of its own that nothing is recorded under; refusals at the edge are still measured."""
        started = time.perf_counter()
        context = SpanContext(secrets.randbits(128) | 1, secrets.randbits(64) | 1, is_remote=False)
        exchange = self._exchange(scope, send, format(context.trace_id, "032x"))
        with trace.use_span(NonRecordingSpan(context)):
            await exchange.run(self._app, receive, refusal)
        if refusal is not None:
            self._measure(scope, exchange, time.perf_counter() - started)

    async def _traced(self, scope: Scope, receive: Receive, send: Send, *, believed: bool) -> None:
        started = time.perf_counter()
        method = _method(scope)
        caller = context_from(_header(scope["headers"], b"traceparent"))
        span = _TRACER.start_span(
            method,
            context=caller if believed else Context(),
            links=() if believed else _links_to(caller),
            kind=SpanKind.SERVER,
            attributes={
                "http.request.method": method,
                "url.path": shown_path(scope["path"]),
                "url.scheme": scope["scheme"],
            },
        )
        trace_id = format(span.get_span_context().trace_id, "032x")
        exchange = self._exchange(scope, send, trace_id)
        self._active.add(1)
        try:
            with trace.use_span(span, end_on_exit=False, record_exception=False, set_status_on_exception=False):
                await self._one_of_few(scope, receive, exchange)
        finally:
            self._active.add(-1)
            attributes = self._measure(scope, exchange, time.perf_counter() - started)
            _finish(scope, span, attributes)

    def _exchange(self, scope: Scope, send: Send, trace_id: str) -> "_Exchange":
        return _Exchange(
            scope,
            send,
            trace_id,
            closing=self._draining.begun,
            deadline_seconds=self._settings.deadline_seconds,
            cors=self._cors,
        )

    async def _one_of_few(self, scope: Scope, receive: Receive, exchange: "_Exchange") -> None:
        """Run an exchange as one of those that its address may have under way."""
        try:
            network = self._concurrency.enter(scope[ADDRESS_KEY], self._gateway().limit)
        except TooManyRequestsError as error:
            await exchange.run(self._app, receive, problem_of(error))
            return
        try:
            await exchange.run(self._app, receive, None)
        finally:
            self._concurrency.leave(network)

    def _throttled(self, scope: Scope) -> Problem | None:
        """Judge whether the address asks too often."""
        if not is_limited(scope["path"]):
            return None
        try:
            note(scope, self._gateway().limit.by_address(scope[ADDRESS_KEY]))
        except TooManyRequestsError as error:
            return problem_of(error)
        return None

    def _refusal(self, scope: Scope) -> Problem | None:
        """Judge what can be judged before anything is read."""
        wrong = check_host(scope["headers"], self._settings.allowed_hosts)
        if wrong is not None:
            return wrong
        until = self._gateway().blocklist.blocked_until(scope[ADDRESS_KEY], self._now())
        if until is not None:
            seconds = max(1, int((until - self._now()).total_seconds()) + 1)
            return Problem(403, "address-blocked", headers={"Retry-After": str(seconds)})
        if sum(len(name) + len(value) for name, value in scope["headers"]) > HEADER_LIMIT_BYTES:
            return Problem(
                431, "headers-too-large", facts={"limit_bytes": HEADER_LIMIT_BYTES}, headers={"Connection": "close"}
            )
        if len(scope["path"]) + len(scope["query_string"]) > TARGET_LIMIT_BYTES:
            return Problem(414, "address-too-long", facts={"limit_bytes": TARGET_LIMIT_BYTES})
        return None

    def _measure(self, scope: Scope, exchange: "_Exchange", seconds: float) -> dict[str, Any]:
        attributes: dict[str, Any] = {
            "http.request.method": _method(scope),
            "http.route": getattr(scope.get("route"), "path_format", None) or "unmatched",
            "http.response.status_code": exchange.status or 499,
        }
        self._duration.record(seconds, attributes)
        return attributes


class _Exchange:
    """One request and its answer."""

    def __init__(
        self,
        scope: Scope,
        send: Send,
        trace_id: str,
        *,
        closing: bool,
        deadline_seconds: float,
        cors: Callable[[ASGIApp], ASGIApp] | None,
    ) -> None:
        self._scope = scope
        self._send = send
        self._trace_id = trace_id
        self._closing = closing
        self._deadline_seconds = deadline_seconds
        self._cors = cors
        self.status: int | None = None

    async def run(self, app: ASGIApp, receive: Receive, refusal: Problem | None) -> None:
        """Answer, whatever happens; what goes wrong after the answer began can only be logged."""
        if refusal is not None:
            await self._answer(refusal, receive)
            return
        try:
            async with within(self._deadline_seconds):
                await app(self._scope, receive, self.send)
        except Exception as error:  # noqa: BLE001  the last resort
            problem = problem_of(error)
            if problem is None:
                route = getattr(self._scope.get("route"), "path_format", None)
                logger.opt(exception=error).bind(trace_id=self._trace_id, route=route).error("unexpected error")
                problem = unexpected()
            if self.status is None:
                await self._answer(problem, receive)

    async def _answer(self, problem: Problem, receive: Receive) -> None:
        response: ASGIApp = problem.render(_header(self._scope["headers"], b"accept-language"))
        if self._cors is not None:
            response = self._cors(response)
        await response(self._scope, receive, self.send)

    async def send(self, message: Message) -> None:
        """Pass a message on; the first one gets its headers."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = list(message.get("headers", ()))
            present = {name for name, _ in headers}
            headers.extend(_STANDARD)
            headers.extend(default for default in _DEFAULTS if default[0] not in present)
            headers.append((TRACE_ID_HEADER, self._trace_id.encode()))
            headers.extend(standing_headers(self._scope))
            if self._scope["scheme"] == "https":
                headers.append(_TRANSPORT)
            if self._closing and b"connection" not in present:
                headers.append(_CLOSE)
            message["headers"] = headers
        await self._send(message)


def _method(scope: Scope) -> str:
    method: str = scope["method"]
    return method if method in _METHODS else "_OTHER"


def _finish(scope: Scope, span: Span, attributes: dict[str, Any]) -> None:
    status = attributes["http.response.status_code"]
    if span.is_recording():
        span.update_name(f"{attributes['http.request.method']} {attributes['http.route']}")
        span.set_attributes(attributes)
        span.set_attribute("client.address", scope[ADDRESS_KEY])
        if status >= 500:
            span.set_attribute("error.type", str(status))
            span.set_status(Status(StatusCode.ERROR))
    span.end()


def _links_to(caller: Context) -> Sequence[Link]:
    """Return a link to the trace that a stranger says it is in: to be found from it, not to be part of it."""
    context = trace.get_current_span(caller).get_span_context()
    return (Link(context),) if context.is_valid else ()


def _header(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> str | None:
    for key, value in headers:
        if key == name:
            return value.decode("latin-1")
    return None


def shown_path(path: str) -> str:
    """Return the path as it may be written down: the address of a calendar feed is its secret."""
    return f"{_CALENDARS}{{secret}}" if path.startswith(_CALENDARS) else path


def client_address(request: Request) -> str:
    """Return where the request comes from, as the edge found out."""
    address: str = request.scope[ADDRESS_KEY]
    return address
