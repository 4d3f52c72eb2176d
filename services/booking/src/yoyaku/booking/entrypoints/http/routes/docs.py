"""The API's documentation as a page: assets from an installed package, no outside host (GW-01, GW-09).

Invariant: a static file's address contains the hash of its content, so it may be kept for ever.
"""

import hashlib
from functools import cache
from importlib import resources
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from yoyaku.booking.entrypoints.http.problems import Problem

router = APIRouter(include_in_schema=False)

OPENAPI_PATH: Final = "/openapi.json"
_ASSETS: Final = "/docs/assets"
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
_START: Final = f"""SwaggerUIBundle({{
  url: "{OPENAPI_PATH}", dom_id: "#docs", deepLinking: true, persistAuthorization: false, validatorUrl: null,
}});
"""
_TYPES: Final = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript", "start.js": "text/javascript"}


@cache
def _content(name: str) -> bytes:
    if name == "start.js":
        return _START.encode()
    return resources.files("fastapi_offline").joinpath("static", name).read_bytes()


@cache
def _address(name: str) -> str:
    return f"{_ASSETS}/{hashlib.sha256(_content(name)).hexdigest()[:16]}/{name}"


@router.get("/docs")
async def docs() -> Response:
    """Show the page."""
    page = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Yoyaku API</title>
<link rel="stylesheet" href="{_address("swagger-ui.css")}"></head>
<body><div id="docs"></div>
<script src="{_address("swagger-ui-bundle.js")}"></script><script src="{_address("start.js")}"></script>
</body></html>
"""
    return HTMLResponse(page, headers={"Content-Security-Policy": _POLICY})


@router.get(_ASSETS + "/{digest}/{name}")
async def asset(request: Request, digest: str, name: str) -> Response:
    """Give a static file under the address that its content has."""
    if name not in _TYPES or _address(name) != f"{_ASSETS}/{digest}/{name}":
        raise Problem(404, "not-found")
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "ETag": f'"{digest}"'}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(_content(name), media_type=_TYPES[name], headers=headers)
