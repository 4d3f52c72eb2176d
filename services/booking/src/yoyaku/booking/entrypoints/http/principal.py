"""Who is calling: the bearer token of a request, checked."""

from starlette.requests import Request

from yoyaku.booking.domain.errors import NotAuthenticatedError
from yoyaku.booking.entrypoints.http.edge.limits import note
from yoyaku.booking.entrypoints.http.edge.middleware import client_address
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.wiring.gateway import Gateway


def gateway_of(request: Request) -> Gateway:
    """Return the wired service that answers this request."""
    gateway: Gateway = request.app.state.gateway
    return gateway


async def caller_of(request: Request) -> Caller:
    """Return who calls. Raises NotAuthenticatedError, TooManyRequestsError."""
    caller = await known_caller(request)
    note(request.scope, gateway_of(request).limit.by_person(caller.person_id, caller.client_address))
    return caller


async def known_caller(request: Request) -> Caller:
    """Return who calls, not counted. Raises NotAuthenticatedError when no valid access token says so."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise NotAuthenticatedError
    principal = await gateway_of(request).check_token(token.strip())
    return Caller(
        principal.person_id,
        principal.role,
        client_address(request),
        user_agent=request.headers.get("user-agent"),
        session_id=principal.session_id,
        token_id=principal.token_id,
        token_expires_at=principal.expires_at,
    )
