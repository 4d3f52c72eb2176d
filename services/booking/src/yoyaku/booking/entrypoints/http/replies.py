"""Answers: JSON straight to bytes, and the links between pages."""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final
from urllib.parse import quote, urlencode

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from yoyaku.booking.entrypoints.http.preconditions import is_known

JSON: Final = "application/json"


def reply(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a JSON answer; models, mappings and what is inside them are taken as they are."""
    return Response(to_json(body), status, dict(headers) if headers else None, media_type=JSON)


def link_to_next(request: Request, **changed: str | None) -> dict[str, str]:
    """Return the `Link` header to the next page, relative to the server's root (RFC 8288); nothing at the end."""
    if any(value is None for value in changed.values()):
        return {}
    query = {**request.query_params, **changed}
    return {"Link": f'<{_path(request)}?{urlencode(query)}>; rel="next"'}


def page_links(request: Request, **position: str | None) -> dict[str, str]:
    """Return the `Link` header to the first page and to the next one, when there is one (RFC 8288).

    The position is the parameter that names where the next page starts; None at the end.
    """
    links = [f'<{address_with(request, **dict.fromkeys(position))}>; rel="first"']
    if None not in position.values():
        links.append(f'<{address_with(request, **position)}>; rel="next"')
    return {"Link": ", ".join(links)}


def address_with(request: Request, **changed: str | None) -> str:
    """Return the request's own address, relative to the server's root, with parameters changed, or left out by None."""
    query = [(name, value) for name, value in request.query_params.multi_items() if name not in changed]
    query += [(name, value) for name, value in changed.items() if value is not None]
    return f"{_path(request)}?{urlencode(query)}" if query else _path(request)


def _path(request: Request) -> str:
    """Return the path as a caller writes it: what is not ASCII, or could end a link, is escaped (RFC 3986, 2.1)."""
    return quote(request.scope["path"], safe="/:@!$&'*+=-._~", errors="replace")


def tagged_reply(request: Request, body: Any, headers: Mapping[str, str]) -> Response:
    """Return a JSON answer under a weak entity tag of its bytes, or 304 when the caller has it (RFC 9110, 8.8)."""
    content = to_json(body)
    tag = f'"{blake2b(content, digest_size=16).hexdigest()}"'
    marked = {**headers, "ETag": f"W/{tag}"}
    if is_known(request, tag):
        return Response(None, 304, marked)
    return Response(content, 200, marked, media_type=JSON)
