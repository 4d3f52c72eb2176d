"""Request bodies: read within a limit, parsed strictly, validated strictly, every fault named.

Invariant: nothing a client sends here ends in anything but a value of the model or a 4xx problem. JSON is read as RFC
8259 says, and more strictly where it leaves a choice: no duplicate names, no NaN, bounded depth.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, Never, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from starlette.requests import ClientDisconnect, Request

from yoyaku.booking.domain.errors import Violation
from yoyaku.booking.entrypoints.http.problems import Problem

BODY_LIMIT_BYTES: Final = 64 * 1024
DEPTH_LIMIT: Final = 32
BODY_SECONDS: Final = 10.0
"""How long a body may take to arrive, all of it: a slow one holds a place that others need."""
_ERRORS_SHOWN: Final = 50
_CLOSE: Final[Mapping[str, str]] = {"Connection": "close"}

Model = TypeVar("Model", bound=BaseModel)

_CODES: Final[Mapping[str, str]] = {
    "missing": "required",
    "extra_forbidden": "unknown-field",
    "enum": "not-allowed",
    "literal_error": "not-allowed",
    "string_too_short": "too-short",
    "string_too_long": "too-long",
    "too_long": "too-long",
    "too_short": "too-short",
    "string_pattern_mismatch": "bad-characters",
    "greater_than_equal": "too-small",
    "greater_than": "too-small",
    "less_than_equal": "too-large",
    "less_than": "too-large",
    "timezone_aware": "bad-time",
    "timezone_naive": "bad-time",
    "bad_date": "bad-date",
    "absurd_time": "absurd-time",
}
_FACTS: Final = ("min_length", "max_length", "ge", "gt", "le", "lt", "max_year")
_WRONG_TYPE_ENDINGS: Final = ("_type", "_parsing", "_parsing_size", "_from_float")


async def read_body(request: Request, model: type[Model]) -> Model:
    """Return the request's body as the model.

    Raises Problem 408, 413, 415, 400 for what is cut off or no JSON, 422 with each field named.
    """
    _check_content_type(request.headers)
    body = await _arrived(request)
    _check_json(body)
    try:
        return model.model_validate_json(body, strict=True)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        if details and details[0]["type"] == "json_invalid":
            raise _malformed("not-json") from error
        raise Problem(422, "invalid-request", violations=violations_of(details)) from error


def violations_of(details: Sequence[ErrorDetails], *, prefixes: tuple[str, ...] = ()) -> list[Violation]:
    """Translate what pydantic found into violations; the first part of a place is dropped when it is in `prefixes`."""
    return [_violation(detail, prefixes) for detail in details[:_ERRORS_SHOWN]]


def _violation(detail: ErrorDetails, prefixes: tuple[str, ...]) -> Violation:
    place = [str(part) for part in detail["loc"]]
    if place and place[0] in prefixes:
        place = place[1:]
    context = detail.get("ctx", {})
    facts = {name: context[name] for name in _FACTS if isinstance(context.get(name), int | str)}
    code = _code_of(detail["type"])
    if code == "too-short" and "min_length" not in facts:
        code = "invalid"
    return Violation(".".join(place)[:200] or "body", code, facts)


def _code_of(pydantic_type: str) -> str:
    if pydantic_type in _CODES:
        return _CODES[pydantic_type]
    if pydantic_type.startswith(("datetime", "timezone")):
        return "bad-time"
    if pydantic_type.startswith("date"):
        return "bad-date"
    return "wrong-type" if pydantic_type.endswith(_WRONG_TYPE_ENDINGS) else "invalid"


def _check_content_type(headers: Mapping[str, str]) -> None:
    media_type, _, parameters = headers.get("content-type", "").partition(";")
    charset = parameters.strip().lower().replace('"', "")
    known = media_type.strip().lower() == "application/json" and charset in {"", "charset=utf-8"}
    if not known or headers.get("content-encoding", "identity").lower() != "identity":
        raise Problem(415, "unsupported-media-type", headers={"Accept": "application/json"})


def check_declared_length(headers: Mapping[str, str]) -> None:
    """Refuse a body that says beforehand that it is too large."""
    declared = headers.get("content-length")
    if declared is not None and declared.isdigit() and int(declared[:20]) > BODY_LIMIT_BYTES:
        raise _too_large()


async def _arrived(request: Request) -> bytes:
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _read(request)
    except TimeoutError as error:
        raise Problem(408, "body-too-slow", facts={"limit_seconds": BODY_SECONDS}, headers=_CLOSE) from error
    except ClientDisconnect as error:
        # The server says so of a chunked body that breaks the protocol, too: then somebody is there to read this.
        raise Problem(400, "body-incomplete", headers=_CLOSE) from error


async def _read(request: Request) -> bytes:
    check_declared_length(request.headers)
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > BODY_LIMIT_BYTES:
            raise _too_large()
        chunks.append(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _too_large() -> Problem:
    return Problem(413, "body-too-large", facts={"limit_bytes": BODY_LIMIT_BYTES}, headers=_CLOSE)


class _DuplicateKeyError(ValueError):
    """A name appears twice in one object."""


class _NotANumberError(ValueError):
    """NaN or Infinity."""


def _check_json(body: bytes) -> None:
    """Find what the fast parser lets pass. Raises Problem 400."""
    if _is_too_deep(body):
        raise _malformed("too-deep")
    try:
        _DECODER.decode(body.decode("utf-8"))
    except _DuplicateKeyError as error:
        raise _malformed("duplicate-key") from error
    except _NotANumberError as error:
        raise _malformed("not-a-number") from error
    except RecursionError as error:
        raise _malformed("too-deep") from error
    except ValueError as error:  # UnicodeDecodeError and JSONDecodeError among them
        raise _malformed("not-json") from error


def _is_too_deep(body: bytes) -> bool:
    # Brackets inside texts count too: only then is the exact depth worth measuring.
    if body.count(b"[") + body.count(b"{") <= DEPTH_LIMIT:
        return False
    depth = 0
    inside = escaped = False
    for byte in body:
        if inside:
            if escaped:
                escaped = False
            elif byte == 0x5C:
                escaped = True
            elif byte == 0x22:
                inside = False
        elif byte == 0x22:
            inside = True
        elif byte in b"[{":
            depth += 1
            if depth > DEPTH_LIMIT:
                return True
        elif byte in b"]}":
            depth -= 1
    return False


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _DuplicateKeyError
    return found


def _refuse_constant(_: str) -> Never:
    raise _NotANumberError


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant)


def _malformed(code: str) -> Problem:
    return Problem(400, "malformed-json", violations=[Violation("body", code)])
