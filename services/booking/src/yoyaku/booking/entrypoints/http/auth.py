"""Signing in."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from yoyaku.booking.entrypoints.http.bodies import read_body
from yoyaku.booking.entrypoints.http.contract import problems, takes
from yoyaku.booking.entrypoints.http.limits import note
from yoyaku.booking.entrypoints.http.metrics import attempt_counted
from yoyaku.booking.entrypoints.http.middleware import client_address
from yoyaku.booking.entrypoints.http.principal import gateway_of
from yoyaku.booking.entrypoints.http.replies import reply
from yoyaku.booking.entrypoints.http.schemas.sign_in import AccessTokenOutput, LogInInput
from yoyaku.booking.usecases.log_in import Attempt

router = APIRouter(prefix="/api/v1/auth", tags=["Signing in"])


@router.post(
    "/login",
    operation_id="logIn",
    summary="Sign in with user id and password",
    response_model=AccessTokenOutput,
    responses=problems(401, 503, body=True),
    openapi_extra=takes(LogInInput, signed_in=False),
)
async def log_in(request: Request) -> Response:
    """Return an access token, good for 15 minutes."""
    address, limit = client_address(request), gateway_of(request).limit
    note(request.scope, limit.sign_in_by_address(address))
    typed = await read_body(request, LogInInput)
    note(request.scope, limit.sign_in_by_account(typed.user_id, address))
    with attempt_counted():
        token = await gateway_of(request).identity.log_in(
            Attempt(
                user_id=typed.user_id,
                password=typed.password,
                client_address=address,
                user_agent=request.headers.get("user-agent"),
            )
        )
    return reply(AccessTokenOutput(access_token=token.text, expires_in=token.expires_in_seconds))
