"""What can go wrong with a request, as the caller of the client sees it.

    YoyakuError
    ├── TransportError             no answer, or not all of it; `sent` says whether the request may have arrived
    ├── SessionStoreError          the kept session cannot be read or written
    └── ProblemError               the gateway refused (RFC 9457)
        ├── NotAuthenticatedError      401: sign in (again)
        ├── NotPermittedError          403
        ├── NotFoundError              404
        ├── ConflictError              409: the state does not allow it; `alternatives` may offer other times
        ├── PreconditionFailedError    412, 428: it was changed since it was read, or no version was sent
        ├── TooManyRequestsError       429
        └── UnavailableError           502, 503, 504: try again later

Invariant: no error holds a token, a password or a header that was sent.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx
from pydantic import ConfigDict, ValidationError

from yoyaku.client.models.answer import Answer
from yoyaku.client.models.reservations import Alternative

PROBLEM_MEDIA_TYPE: Final = "application/problem+json"


class YoyakuError(Exception):
    """Something went wrong between a program and the gateway."""


class TransportError(YoyakuError):
    """No whole answer came."""

    def __init__(self, message: str, *, sent: bool = True) -> None:
        super().__init__(message)
        self.sent = sent
        """False when the request certainly did not reach the gateway."""


class SessionStoreError(YoyakuError):
    """The kept session cannot be read or written; the text says which file and why."""


class FieldProblem(Answer):
    """One field that the gateway did not accept; further members are facts, such as `max_hours`."""

    model_config = ConfigDict(frozen=True, extra="allow")

    field: str
    code: str
    message: str = ""


class ProblemError(YoyakuError):
    """The gateway refused; `code` is stable, `title` and `detail` are for people, in the language asked for."""

    def __init__(
        self,
        *,
        status: int,
        code: str,
        title: str,
        detail: str | None = None,
        errors: Sequence[FieldProblem] = (),
        alternatives: Sequence[Alternative] = (),
        trace_id: str | None = None,
        retry_after_seconds: float | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {title}")
        self.status = status
        self.code = code
        self.title = title
        self.detail = detail
        self.errors = tuple(errors)
        self.alternatives = tuple(alternatives)
        self.trace_id = trace_id
        self.retry_after_seconds = retry_after_seconds
        self.facts = dict(facts or {})
        """Every other member of the problem document."""


class NotAuthenticatedError(ProblemError):
    """Nobody is signed in, or no longer."""


class NotPermittedError(ProblemError):
    """The caller may not do this."""


class NotFoundError(ProblemError):
    """What was named is not there."""


class ConflictError(ProblemError):
    """The state of things does not allow it."""


class PreconditionFailedError(ProblemError):
    """It was changed since it was read, or the version that was read was not sent."""


class TooManyRequestsError(ProblemError):
    """The rate limit is met."""


class UnavailableError(ProblemError):
    """The gateway, or what it stands on, is away for now."""


_BY_STATUS: Final[Mapping[int, type[ProblemError]]] = {
    401: NotAuthenticatedError,
    403: NotPermittedError,
    404: NotFoundError,
    409: ConflictError,
    412: PreconditionFailedError,
    428: PreconditionFailedError,
    429: TooManyRequestsError,
    502: UnavailableError,
    503: UnavailableError,
    504: UnavailableError,
}
_KNOWN: Final = {"type", "status", "code", "title", "detail", "errors", "alternatives", "trace_id"}


def problem_of(response: httpx.Response, *, now: datetime | None = None) -> ProblemError:
    """Return the error that an answer of 400 or more is, also when something in between answered without a problem."""
    body = _document(response)
    status = response.status_code
    return _BY_STATUS.get(status, ProblemError)(
        status=status,
        code=str(body.get("code") or f"http-{status}"),
        title=str(body.get("title") or response.reason_phrase or "refused"),
        detail=body.get("detail") if isinstance(body.get("detail"), str) else None,
        errors=_each(FieldProblem, body.get("errors")),
        alternatives=_each(Alternative, body.get("alternatives")),
        trace_id=body.get("trace_id") or response.headers.get("x-trace-id"),
        retry_after_seconds=retry_after_seconds(response, now=now or datetime.now(UTC)),
        facts={name: value for name, value in body.items() if name not in _KNOWN},
    )


def retry_after_seconds(response: httpx.Response, *, now: datetime) -> float | None:
    """Return what `Retry-After` asks for (RFC 9110 §10.2.3: seconds or a date), never negative; None without it."""
    text = response.headers.get("retry-after", "").strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (moment.astimezone(UTC) - now).total_seconds())


def _document(response: httpx.Response) -> dict[str, Any]:
    if not response.headers.get("content-type", "").startswith(PROBLEM_MEDIA_TYPE):
        return {}
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _each(model: type[Any], values: object) -> list[Any]:
    """Read what can be read: a refusal stays a refusal when a part of it is not understood."""
    read = []
    for value in values if isinstance(values, list) else []:
        try:
            read.append(model.model_validate(value))
        except ValidationError:
            continue
    return read
