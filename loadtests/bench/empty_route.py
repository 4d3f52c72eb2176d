"""`python -m loadtests.bench.empty_route`: the gateway with one more route, which signs the caller in and does nothing.

What any answer costs before it has a content: the baseline of reads. The product never has this route.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from yoyaku.booking.entrypoints.http import server
from yoyaku.booking.entrypoints.http.principal import caller_of
from yoyaku.booking.entrypoints.http.replies import reply
from yoyaku.booking.usecases.caller import Caller

PATH = "/api/v1/empty"
router = APIRouter()


@router.get(PATH)
async def empty(request: Request, caller: Annotated[Caller, Depends(caller_of)]) -> Response:
    """Answer with an empty list."""
    return reply({"items": []})


def with_empty_route(application: ASGIApp) -> ASGIApp:
    """Add the route to the API inside the layers around it: the first, for being found late would flatter the rest."""
    inner: Any = application
    while not isinstance(inner, FastAPI):
        inner = inner._app
    inner.include_router(router)
    inner.router.routes.insert(0, inner.router.routes.pop())
    return application


def main() -> None:
    """Serve; workers are forks, so they find the function that is put in place here."""
    create = server.create
    setattr(server, "create", lambda: with_empty_route(create()))  # noqa: B010
    server.main()


if __name__ == "__main__":
    main()
