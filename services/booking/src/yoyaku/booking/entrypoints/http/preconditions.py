"""Entity tags: what a caller has seen, and what it still needs to be shown (RFC 9110, 8.8.3 and 13).

Invariant: a tag is the quoted version of the thing, `"7"`, or, where the same version is shown in different ways, the
version and a digest of what was shown, `"7-0f3a9c51d2e8"`; a change needs `If-Match`, and the version is compared under
the lock of the row by the use case, never here.
"""

import hashlib
import re
from collections.abc import Iterator
from typing import Any, Final

from starlette.requests import Request

from yoyaku.booking.domain.errors import RuleBrokenError, Violation
from yoyaku.booking.domain.expected_version import ANY_VERSION, ExpectedVersion
from yoyaku.booking.entrypoints.http.problems import Problem

IF_MATCH: Final = "If-Match"
IF_NONE_MATCH: Final = "If-None-Match"
_TAG: Final = re.compile(r'\s*(W/)?"([\x21\x23-\x7e]*)"\s*')
_VERSION: Final = re.compile(r"([1-9][0-9]{0,8})(?:-[0-9a-f]{12})?")
_TAGS_LIMIT: Final = 100

IF_MATCH_PARAMETER: Final[dict[str, Any]] = {
    "name": IF_MATCH,
    "in": "header",
    "required": True,
    "description": "The `ETag` that the change is built on, or `*`. Without it 428, with an older one 412.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 1000},
    "example": '"1"',
}
OPTIONAL_IF_MATCH_PARAMETER: Final[dict[str, Any]] = {
    **IF_MATCH_PARAMETER,
    "required": False,
    "description": "The `ETag` that the change is built on: with an older one 412.",
}
IF_NONE_MATCH_PARAMETER: Final[dict[str, Any]] = {
    "name": IF_NONE_MATCH,
    "in": "header",
    "required": False,
    "description": "The `ETag` of what the caller has: 304 when it is still the same.",
    "schema": {"type": "string"},
    "example": '"1"',
}


def etag_of(version: int) -> str:
    """Return the tag of a version."""
    return f'"{version}"'


def etag_of_answer(version: int, body: bytes) -> str:
    """Return the tag of what is shown of a version: another clock of the room, or another reader, is another tag."""
    return f'"{version}-{hashlib.sha256(body).hexdigest()[:12]}"'


def required_version(request: Request) -> ExpectedVersion:
    """Return what `If-Match` asks for. Raises Problem 428 without the header, RuleBrokenError when it is no tag."""
    if IF_MATCH not in request.headers:
        raise Problem(428, "precondition-required")
    return optional_version(request)


def optional_version(request: Request) -> ExpectedVersion:
    """Return what `If-Match` asks for; without the header anything will do. Raises RuleBrokenError."""
    values = request.headers.getlist(IF_MATCH)
    if not values or [value.strip() for value in values] == ["*"]:
        return ANY_VERSION
    tags = [tag for value in values for tag in _tags(value)]
    if not tags or len(tags) > _TAGS_LIMIT:
        raise RuleBrokenError([Violation(IF_MATCH, "bad-etag")])
    # A weak tag never matches here, and a tag that is no version matches nothing that there is (RFC 9110, 13.1.1).
    strong = [_VERSION.fullmatch(tag) for weak, tag in tags if not weak]
    return ExpectedVersion(frozenset(int(match[1]) for match in strong if match is not None))


def is_known(request: Request, etag: str) -> bool:
    """Say whether `If-None-Match` names the tag, which makes the answer a 304; what cannot be read names nothing."""
    values = request.headers.getlist(IF_NONE_MATCH)
    if [value.strip() for value in values] == ["*"]:
        return True
    try:
        return any(f'"{tag}"' == etag for value in values for _, tag in _tags(value))
    except RuleBrokenError:
        return False


def _tags(header: str) -> Iterator[tuple[bool, str]]:
    position = 0
    while position < len(header):
        match = _TAG.match(header, position)
        if match is None:
            raise RuleBrokenError([Violation(IF_MATCH, "bad-etag")])
        yield match[1] is not None, match[2]
        position = match.end()
        if position < len(header):
            if header[position] != ",":
                raise RuleBrokenError([Violation(IF_MATCH, "bad-etag")])
            position += 1
