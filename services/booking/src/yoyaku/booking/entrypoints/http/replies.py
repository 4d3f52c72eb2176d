"""Answers: JSON straight to bytes, and the links between pages."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

JSON: Final = "application/json"


def reply(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a JSON answer; models, mappings and what is inside them are taken as they are."""
    return Response(to_json(body), status, dict(headers) if headers else None, media_type=JSON)


def link_to_next(request: Request, **changed: str | None) -> dict[str, str]:
    """Return the `Link` header to the next page, relative to the server's root (RFC 8288); nothing at the end."""
    if any(value is None for value in changed.values()):
        return {}
    query = {**request.query_params, **changed}
    return {"Link": f'<{request.url.path}?{urlencode(query)}>; rel="next"'}
