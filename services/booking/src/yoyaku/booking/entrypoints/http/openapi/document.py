"""What the OpenAPI document says beyond what routes say themselves: tags, headers, examples, and the codes of refusals.

Invariant: it adds and never contradicts; what a route states stays as it is.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from yoyaku.booking.entrypoints.http.openapi.contract import BEARER
from yoyaku.booking.entrypoints.http.openapi.examples import example_of
from yoyaku.booking.entrypoints.http.openapi.refusals import STATUSES, codes_of
from yoyaku.booking.entrypoints.http.problems import MEDIA_TYPE, TYPE_PREFIX
from yoyaku.booking.entrypoints.http.texts.catalogue import PROBLEM_TEXTS
from yoyaku.booking.entrypoints.http.texts.language import ENGLISH

_TRACE_ID: Final = "4bf92f3577b34da6a3ce929d0e0e4736"
_FACTS: Final[Mapping[str, Any]] = {
    "limit_bytes": 65536,
    "limit_seconds": 10,
    "service": "audit-log",
    "service_code": "refused",
    "current_version": 2,
    "policy": "address",
    "retry_after_seconds": 3,
}
TAGS: Final[Mapping[str, str]] = {
    "Signing in": "Access tokens for user id and password, their refreshing, and the end of a session.",
    "People": "Who may sign in, managed by an ADMIN.",
    "Rooms": "Rooms, their rules, closures and free times.",
    "Reservations": "Booking a room, moving, cancelling and restoring, lists and history.",
    "Calendars": "Read-only iCalendar feeds under secret addresses.",
    "Audit": "What was recorded, for an OPERATOR or ADMIN.",
    "Backups": "The recovery sets, for an OPERATOR or ADMIN.",
    "Health": "Whether a process works, may be sent requests, and has started.",
    "Keys": "The public keys of access tokens.",
}
_HEADERS: Final[Mapping[str, tuple[str, str]]] = {
    "X-Trace-Id": ("The trace of this request, by which logs know it.", _TRACE_ID),
    "RateLimit-Policy": ("The limits that were looked at: `q` requests at once, whole again in `w` seconds.",
                         '"address";q=6000;w=60, "person";q=1200;w=60'),
    "RateLimit": ("What is left of each: `r` requests, more in `t` seconds.",
                  '"address";r=5999;t=1, "person";r=1199;t=1'),
    "Retry-After": ("Seconds after which it is worth asking again.", "1"),
    "ETag": ("The version, for If-Match and If-None-Match.", '"1"'),
    "Location": ("Where the new thing is.", "/api/v1/reservations/0199b2c4-7a31-7c58-9d1e-5f0a4b6c8d21"),
    "Link": ("Other pages, relative to the server's root (RFC 8288).", '</api/v1/rooms?after=50>; rel="next"'),
    "Idempotent-Replayed": ("`true` when this answer was given before under the same key.", "true"),
    "Content-Language": ("The language of the texts.", "en"),
    "WWW-Authenticate": ("How to authenticate.", 'Bearer realm="yoyaku"'),
    "Allow": ("The methods that the address takes.", "GET, HEAD, OPTIONS"),
}  # fmt: skip
_METHODS: Final = frozenset({"get", "put", "post", "patch", "delete"})


def complete(document: dict[str, Any]) -> None:
    """Add what generated clients and readers need."""
    components = document["components"]
    components["headers"] = {
        name: {"description": text, "schema": {"type": "string"}, "example": example}
        for name, (text, example) in _HEADERS.items()
    }
    components["examples"] = {code: {"value": _problem(code, status)} for code, status in sorted(STATUSES.items())}
    components["securitySchemes"][BEARER]["description"] = "An access token from `POST /api/v1/auth/login`."
    used = set()
    for _, operation in operations(document):
        used.update(operation.get("tags", ()))
        _complete_operation(operation, components["schemas"])
    components["responses"] = _share_refusals(document)
    document["tags"] = [{"name": name, "description": TAGS.get(name, name)} for name in sorted(used)]


def operations(document: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each operation with its path."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if method in _METHODS:
                yield path, operation


def _complete_operation(operation: dict[str, Any], schemas: Mapping[str, Any]) -> None:
    parameters = {parameter["name"] for parameter in operation.get("parameters", ())}
    for parameter in operation.get("parameters", ()):
        if "example" not in parameter and "examples" not in parameter and parameter.get("required"):
            parameter["example"] = example_of(parameter["schema"], schemas, parameter["name"])
    for media in operation.get("requestBody", {}).get("content", {}).values():
        _give_example(media, schemas)
    is_limited = "Health" not in operation.get("tags", ())
    for status, response in operation["responses"].items():
        names = [*_headers_of(status, parameters), *(("RateLimit-Policy", "RateLimit") if is_limited else ())]
        stated = response.setdefault("headers", {})
        for name in names:
            stated.setdefault(name, {"$ref": f"#/components/headers/{name}"})
        for kind, media in response.get("content", {}).items():
            if kind == MEDIA_TYPE:
                codes = codes_of(operation, int(status))
                media["examples"] = {code: {"$ref": f"#/components/examples/{code}"} for code in codes}
            else:
                _give_example(media, schemas)


def _share_refusals(document: Mapping[str, Any]) -> dict[str, Any]:
    """Take refusals that several operations describe alike out of them, and return those by name."""
    users: dict[str, list[tuple[dict[str, Any], str]]] = {}
    for _, operation in operations(document):
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                users.setdefault(json.dumps(response, sort_keys=True), []).append((operation["responses"], status))
    shared: dict[str, Any] = {}
    for text, places in sorted(users.items(), key=lambda found: -len(found[1])):
        name = f"Refusal{places[0][1]}"
        if len(places) > 1 and name not in shared:
            shared[name] = json.loads(text)
            for responses, status in places:
                responses[status] = {"$ref": f"#/components/responses/{name}"}
    return dict(sorted(shared.items()))


def _give_example(media: dict[str, Any], schemas: Mapping[str, Any]) -> None:
    if "example" not in media and "examples" not in media and media.get("schema"):
        media["example"] = example_of(media["schema"], schemas)


def _headers_of(status: str, parameters: set[str]) -> Iterator[str]:
    yield "X-Trace-Id"
    if status == "201":
        yield "Location"
    if status in {"200", "201", "304"} and parameters & {"If-Match", "If-None-Match", "Idempotency-Key"}:
        yield "ETag"
    if status == "412":
        yield "ETag"
    if status == "200" and parameters & {"cursor", "after"}:
        yield "Link"
    if status == "201" and "Idempotency-Key" in parameters:
        yield "Idempotent-Replayed"
    if status == "401":
        yield "WWW-Authenticate"
    if status in {"429", "503"}:
        yield "Retry-After"
    if int(status) >= 400:
        yield "Content-Language"


def _problem(code: str, status: int) -> dict[str, Any]:
    text = PROBLEM_TEXTS[code][ENGLISH]
    facts = {name: value for name, value in _FACTS.items() if "{" + name in text.detail}
    found = {
        "type": f"{TYPE_PREFIX}{code}",
        "title": text.title,
        "status": status,
        "code": code,
        "trace_id": _TRACE_ID,
        "detail": text.detail.format_map(_Unknown(facts)),
        **facts,
    }
    return {name: value for name, value in found.items() if value != ""}


class _Unknown(dict[str, Any]):
    """Facts whose value no example has."""

    def __missing__(self, key: str) -> str:
        return f"<{key}>"
