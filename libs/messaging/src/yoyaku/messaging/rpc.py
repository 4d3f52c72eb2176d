"""Questions between services over the bus: FastStream's request and reply, with models, a deadline and one trace.

A question carries how long its asker will wait, so that the one who answers does not work for nobody. An answer is
the reply model, or `RpcError` marked by a header. Invariant: `request` returns a valid reply or raises an RpcError's
exception; what the handler raised unexpectedly never crosses the bus, only `internal_error` and the trace.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

from faststream import AckPolicy
from faststream.nats import NatsMessage
from faststream.response import Response
from loguru import logger
from nats.errors import Error, NoRespondersError
from nats.errors import TimeoutError as NatsTimeoutError
from opentelemetry import trace
from opentelemetry.trace import SpanKind, Status, StatusCode
from pydantic import BaseModel, ValidationError

from yoyaku.contracts.rpc import RpcError
from yoyaku.messaging import telemetry
from yoyaku.messaging.broker import ServiceBroker
from yoyaku.observability.tracing import context_from, inject, tracer

DEFAULT_TIMEOUT_SECONDS: Final = 5.0
LONGEST_TIMEOUT_SECONDS: Final = 120.0
LARGEST_REPLY_BYTES: Final = 1_000_000
"""A little under what the server takes in one message, headers included."""
TIMEOUT_HEADER: Final = "rpc-timeout-ms"
STATUS_HEADER: Final = "rpc-status"
STATUS_OK: Final = "ok"
STATUS_ERROR: Final = "error"

INVALID_REQUEST: Final = "invalid_request"
INTERNAL_ERROR: Final = "internal_error"
DEADLINE_EXCEEDED: Final = "deadline_exceeded"
REPLY_TOO_LARGE: Final = "reply_too_large"

RequestT = TypeVar("RequestT", bound=BaseModel)
ReplyT = TypeVar("ReplyT", bound=BaseModel)


class RpcUnavailableError(Exception):
    """Nobody answered in time: no such service running, the bus away, or the question refused by the bus."""

    def __init__(self, subject: str, detail: str) -> None:
        self.subject = subject
        super().__init__(f"{subject}: {detail}")


class RpcFailedError(Exception):
    """The question was answered with an error. A handler raises it to answer so."""

    def __init__(self, code: str, detail: str) -> None:
        self.code = code
        self.detail = detail
        super().__init__(f"{code}: {detail}")


def serve(
    broker: ServiceBroker,
    subject: str,
    request_model: type[RequestT],
    handler: Callable[[RequestT], Awaitable[BaseModel]],
) -> None:
    """Answer the questions on `subject` once the broker is started; one of the service's processes gets each.

    `handler` may raise RpcFailedError; anything else becomes `internal_error`. It is cancelled when the asker's time
    is over.
    """

    async def answer(message: Any) -> Response:
        return await _answer(message, subject, request_model, handler)

    subscriber = broker.subscriber(
        subject, queue=broker.service, decoder=_undecoded, ack_policy=AckPolicy.MANUAL, max_workers=16
    )
    subscriber(answer)


async def _undecoded(message: NatsMessage) -> NatsMessage:
    return message


async def _answer(
    message: NatsMessage,
    subject: str,
    request_model: type[RequestT],
    handler: Callable[[RequestT], Awaitable[BaseModel]],
) -> Response:
    span = tracer(telemetry.SCOPE).start_as_current_span(
        f"answer {subject}",
        context=context_from(message.headers.get("traceparent")),
        kind=SpanKind.SERVER,
        attributes={"rpc.system": "nats", "rpc.method": subject},
        record_exception=False,
        set_status_on_exception=False,
    )
    with span as current:
        try:
            request = request_model.model_validate_json(_body(message))
            async with asyncio.timeout(_timeout_seconds(message.headers)):
                reply = await handler(request)
            body = reply.model_dump_json().encode()
            if len(body) <= LARGEST_REPLY_BYTES:
                return _response(STATUS_OK, body)
            problem = RpcFailedError(REPLY_TOO_LARGE, f"the answer has {len(body)} bytes, ask for less")
        except ValidationError as error:
            problem = RpcFailedError(INVALID_REQUEST, "; ".join(_places(error)))
        except RpcFailedError as error:
            problem = error
        except TimeoutError:
            problem = RpcFailedError(DEADLINE_EXCEEDED, "the asker's time was over")
        except Exception as error:  # noqa: BLE001  its text must not cross the bus
            logger.opt(exception=error).bind(subject=subject).error("a question could not be answered")
            current.record_exception(error)
            problem = RpcFailedError(INTERNAL_ERROR, "see the trace")
        current.set_status(Status(StatusCode.ERROR, problem.code))
        current.set_attribute("error.type", problem.code)
        return _response(STATUS_ERROR, RpcError(code=problem.code, detail=problem.detail).model_dump_json().encode())


def _places(error: ValidationError) -> list[str]:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [f"{'.'.join(str(part) for part in item['loc']) or 'body'}: {item['type']}" for item in found]


def _body(message: NatsMessage) -> bytes:
    return bytes(message.raw_message.data)


def _timeout_seconds(headers: Mapping[str, str]) -> float:
    text = headers.get(TIMEOUT_HEADER, "")
    asked = int(text) / 1000 if text.isascii() and text.isdigit() else DEFAULT_TIMEOUT_SECONDS
    return min(max(asked, 0.001), LONGEST_TIMEOUT_SECONDS)


def _response(status: str, body: bytes) -> Response:
    headers = {STATUS_HEADER: status}
    inject(headers)
    return Response(body, headers=headers)


async def request(
    broker: ServiceBroker,
    subject: str,
    request: BaseModel,
    reply_model: type[ReplyT],
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
) -> ReplyT:
    """Ask and wait at most `timeout_seconds`. Raises RpcUnavailableError, or RpcFailedError with the answer's code."""
    kind = SpanKind.CLIENT
    attributes = {"rpc.system": "nats", "rpc.method": subject}
    with tracer(telemetry.SCOPE).start_as_current_span(f"ask {subject}", kind=kind, attributes=attributes):
        headers = {TIMEOUT_HEADER: str(int(timeout_seconds * 1000))}
        inject(headers)
        began = time.monotonic()
        try:
            answer = await broker.request(
                request.model_dump_json().encode(), subject, headers=headers, timeout=timeout_seconds
            )
        except NoRespondersError as error:
            raise RpcUnavailableError(subject, "nobody answers this question now") from error
        except (NatsTimeoutError, TimeoutError) as error:
            denied = broker.was_denied(subject, began)
            raise RpcUnavailableError(subject, "the bus refused it" if denied else "no answer in time") from error
        except (Error, OSError) as error:
            raise RpcUnavailableError(subject, str(error) or type(error).__name__) from error
        return _reply(subject, answer, reply_model)


def _reply(subject: str, answer: NatsMessage, reply_model: type[ReplyT]) -> ReplyT:
    try:
        if answer.headers.get(STATUS_HEADER) == STATUS_ERROR:
            error = RpcError.model_validate_json(_body(answer))
            trace.get_current_span().set_status(Status(StatusCode.ERROR, error.code))
            raise RpcFailedError(error.code, error.detail)
        return reply_model.model_validate_json(_body(answer))
    except ValidationError as error:
        raise RpcFailedError("invalid_reply", f"{subject}: {'; '.join(_places(error))}") from error
