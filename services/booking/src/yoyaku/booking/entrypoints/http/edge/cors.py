"""Pages of other origins: none may call the API from a browser unless the operator named them (GW-03).

The API takes no cookies, so credentials are never allowed: a page sends its token itself.
Source: the Fetch standard, CORS protocol.
"""

from collections.abc import Sequence
from typing import Final

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

from yoyaku.booking.entrypoints.http.problems import Problem

_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_TAKEN: Final = ("Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match", "Traceparent")
EXPOSED: Final = (
    "ETag",
    "Link",
    "Location",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "X-Trace-Id",
    "Idempotent-Replayed",
)
_REMEMBERED_SECONDS: Final = 600


class Cors(CORSMiddleware):
    """Starlette's, with a problem where that says no in plain text."""

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=_METHODS,
            allow_headers=_TAKEN,
            expose_headers=EXPOSED,
            max_age=_REMEMBERED_SECONDS,
        )

    def preflight_response(self, request_headers: Headers) -> Response:
        """Answer a preflight request: 204 with what is allowed, or 403."""
        answer = super().preflight_response(request_headers)
        headers = {
            name: value for name, value in answer.headers.items() if name not in {"content-length", "content-type"}
        }
        if answer.status_code == 200:
            return Response(status_code=204, headers=headers)
        problem = Problem(403, "origin-not-allowed", headers=headers)
        return problem.render(request_headers.get("accept-language"))
