"""Signing in, refreshing, signing out."""

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from yoyaku.booking.domain.errors import NotAuthenticatedError
from yoyaku.booking.entrypoints.http.bodies import read_body
from yoyaku.booking.entrypoints.http.edge.limits import note
from yoyaku.booking.entrypoints.http.edge.middleware import client_address
from yoyaku.booking.entrypoints.http.metrics import attempt_counted, refresh_counted
from yoyaku.booking.entrypoints.http.openapi.contract import problems, secured, takes
from yoyaku.booking.entrypoints.http.principal import caller_of, gateway_of
from yoyaku.booking.entrypoints.http.replies import reply
from yoyaku.booking.entrypoints.http.schemas.sign_in import (
    AccessTokenOutput,
    LogInInput,
    LogOutInput,
    RefreshInput,
    SessionList,
    SessionOutput,
)
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.log_in import Attempt
from yoyaku.booking.usecases.refresh_session import Refreshing

router = APIRouter(prefix="/api/v1/auth", tags=["Signing in"])

_NO_BODY: Final = frozenset({"", "0"})


@router.post(
    "/login",
    operation_id="logIn",
    summary="Sign in with user id and password",
    response_model=AccessTokenOutput,
    responses=problems(401, 503, body=True),
    openapi_extra=takes(LogInInput, signed_in=False),
)
async def log_in(request: Request) -> Response:
    """Return an access token, good for 15 minutes, and a refresh token, good for 30 days and one use."""
    address, limit = client_address(request), gateway_of(request).limit
    note(request.scope, limit.sign_in_by_address(address))
    typed = await read_body(request, LogInInput)
    note(request.scope, limit.sign_in_by_account(typed.user_id, address))
    with attempt_counted():
        signed_in = await gateway_of(request).identity.log_in(
            Attempt(
                user_id=typed.user_id,
                password=typed.password,
                client_address=address,
                user_agent=request.headers.get("user-agent"),
            )
        )
    return reply(AccessTokenOutput.of(signed_in))


@router.post(
    "/refresh",
    operation_id="refreshSession",
    summary="Trade a refresh token for new tokens",
    response_model=AccessTokenOutput,
    responses=problems(401, 409, 503, body=True),
    openapi_extra=takes(RefreshInput, signed_in=False),
)
async def refresh_session(request: Request) -> Response:
    """Each refresh token works once.

    Within ten seconds of its use it is answered with 409 `refresh-superseded`: another tab was faster and has the new
    tokens. Later it ends the session, because somebody has a copy.
    """
    presented = await read_body(request, RefreshInput)
    with refresh_counted():
        signed_in = await gateway_of(request).identity.refresh_session(
            Refreshing(presented.refresh_token, client_address(request), request.headers.get("user-agent"))
        )
    return reply(AccessTokenOutput.of(signed_in))


def _either(described: dict[str, Any]) -> dict[str, Any]:
    """Say that the access token and the body may each be left out."""
    body = {**described["requestBody"], "required": False}
    return {**described, "requestBody": body, "security": [*described["security"], {}]}


@router.post(
    "/logout",
    operation_id="logOut",
    summary="Sign out on this device",
    status_code=204,
    response_class=Response,
    responses=problems(401, 503, body=True),
    openapi_extra=_either(takes(LogOutInput)),
)
async def log_out(request: Request) -> Response:
    """End the session of the access token, or of the refresh token in the body when the access token is over.

    Every gateway refuses the session's access tokens within a second.
    """
    given = await read_body(request, LogOutInput) if _has_body(request) else LogOutInput()
    log_out = gateway_of(request).identity.log_out
    try:
        caller = await caller_of(request)
    except NotAuthenticatedError:
        if given.refresh_token is None:
            raise
        await log_out.with_refresh_token(given.refresh_token, client_address(request))
    else:
        await log_out(caller)
    return Response(status_code=204)


def _has_body(request: Request) -> bool:
    return "transfer-encoding" in request.headers or request.headers.get("content-length", "") not in _NO_BODY


@router.get(
    "/sessions",
    operation_id="listSessions",
    summary="List where one is signed in",
    response_model=SessionList,
    responses=problems(401, 503),
    openapi_extra=secured(),
)
async def list_sessions(request: Request, caller: Annotated[Caller, Depends(caller_of)]) -> Response:
    """The own sessions, the last used first; at most a hundred."""
    found = await gateway_of(request).identity.list_sessions(caller)
    return reply({"items": [SessionOutput.of(session, current=caller.session_id) for session in found]})


@router.delete(
    "/sessions/{session_id}",
    operation_id="revokeSession",
    summary="Sign out on another device",
    status_code=204,
    response_class=Response,
    responses=problems(401, 404, 422, 503),
    openapi_extra=secured(),
)
async def revoke_session(request: Request, caller: Annotated[Caller, Depends(caller_of)], session_id: UUID) -> Response:
    """End one of the own sessions; another person's is not found."""
    await gateway_of(request).identity.revoke_session(caller, session_id)
    return Response(status_code=204)
