"""People, managed by an ADMIN; and oneself."""

import base64
import binascii
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from yoyaku.booking.domain.errors import RuleBrokenError, Violation
from yoyaku.booking.domain.person import Person, Role
from yoyaku.booking.entrypoints.http.bodies import read_body
from yoyaku.booking.entrypoints.http.edge.limits import note
from yoyaku.booking.entrypoints.http.openapi.contract import problems, secured, takes
from yoyaku.booking.entrypoints.http.preconditions import IF_MATCH_PARAMETER, etag_of, required_version
from yoyaku.booking.entrypoints.http.principal import caller_of, gateway_of
from yoyaku.booking.entrypoints.http.replies import link_to_next, reply
from yoyaku.booking.entrypoints.http.schemas.fields import NO_CONTROL
from yoyaku.booking.entrypoints.http.schemas.people import (
    ChangePasswordInput,
    ChangePersonInput,
    CreatePersonInput,
    PersonList,
    PersonOutput,
    ResetPasswordInput,
    ResetPasswordOutput,
)
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.change_person import PersonChange
from yoyaku.booking.usecases.create_person import NewPerson
from yoyaku.booking.usecases.ports.people import PeopleFilter

router = APIRouter(prefix="/api/v1/users", tags=["People"])


class PeopleQuery(BaseModel):
    """Which people, and which page of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    role: Annotated[Role | None, Field(description="Only these.")] = None
    disabled: Annotated[bool | None, Field(description="Only those who may not sign in, or only those who may.")] = None
    q: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=100,
            pattern=NO_CONTROL,
            description="A part of the user id or name, in any case.",
        ),
    ] = None
    cursor: Annotated[str | None, Field(max_length=200, description="From the `Link` of the page before.")] = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50


def _shown(person: Person, status: int = 200) -> Response:
    headers = {"ETag": etag_of(person.version)}
    if status == 201:
        headers["Location"] = f"{router.prefix}/{person.id}"
    return reply(PersonOutput.of(person), status, headers)


@router.post(
    "",
    operation_id="createUser",
    summary="Make a person who can sign in",
    status_code=201,
    response_model=PersonOutput,
    responses=problems(401, 409, 503, body=True),
    openapi_extra=takes(CreatePersonInput),
)
async def create_person(request: Request) -> Response:
    """For an ADMIN."""
    caller = await caller_of(request)
    wanted = await read_body(request, CreatePersonInput)
    person = await gateway_of(request).identity.create_person(
        caller, NewPerson(wanted.user_id, wanted.display_name, wanted.role, wanted.password)
    )
    return _shown(person, 201)


@router.get(
    "",
    operation_id="listUsers",
    summary="Find people",
    response_model=PersonList,
    responses=problems(401, 422, 503),
    openapi_extra=secured(),
)
async def list_people(
    request: Request, caller: Annotated[Caller, Depends(caller_of)], query: Annotated[PeopleQuery, Query()]
) -> Response:
    """For an ADMIN; by user id."""
    people, following = await gateway_of(request).identity.list_people(
        caller,
        PeopleFilter(query.role, query.disabled, query.q),
        after=_after(query.cursor),
        limit=query.limit,
    )
    link = link_to_next(request, cursor=None if following is None else _cursor(following))
    return reply({"items": [PersonOutput.of(person) for person in people]}, headers=link)


def _cursor(user_id: str) -> str:
    return base64.urlsafe_b64encode(user_id.encode()).decode().rstrip("=")


def _after(cursor: str | None) -> str | None:
    if cursor is None:
        return None
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        after = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii")
        if after.isprintable():
            return after
    except (ValueError, binascii.Error):
        pass
    raise RuleBrokenError([Violation("cursor", "bad-cursor")])


@router.get(
    "/me",
    operation_id="getSelf",
    summary="Read who one is",
    response_model=PersonOutput,
    responses=problems(401, 404, 503),
    openapi_extra=secured(),
)
async def get_self(request: Request, caller: Annotated[Caller, Depends(caller_of)]) -> Response:
    """For everybody."""
    return _shown(await gateway_of(request).identity.get_person(caller, caller.person_id))


@router.put(
    "/me/password",
    operation_id="changePassword",
    summary="Change the own password",
    status_code=204,
    response_class=Response,
    responses=problems(401, 503, body=True),
    openapi_extra=takes(ChangePasswordInput),
)
async def change_password(request: Request) -> Response:
    """The session goes on; the person's other sessions are over."""
    caller = await caller_of(request)
    given = await read_body(request, ChangePasswordInput)
    # Whoever holds somebody's access token may guess the password here as little as at the sign-in.
    limit = gateway_of(request).limit
    note(request.scope, limit.sign_in_by_account(str(caller.person_id), caller.client_address))
    await gateway_of(request).identity.change_password(caller, current=given.current_password, new=given.new_password)
    return Response(status_code=204)


@router.get(
    "/{user_id}",
    operation_id="getUser",
    summary="Read a person",
    response_model=PersonOutput,
    responses=problems(401, 404, 422, 503),
    openapi_extra=secured(),
)
async def get_person(request: Request, caller: Annotated[Caller, Depends(caller_of)], user_id: UUID) -> Response:
    """For an ADMIN, and for oneself."""
    return _shown(await gateway_of(request).identity.get_person(caller, user_id))


@router.patch(
    "/{user_id}",
    operation_id="changeUser",
    summary="Change a person's name or role",
    response_model=PersonOutput,
    responses=problems(401, 404, 409, 412, 428, 503, body=True),
    openapi_extra=takes(ChangePersonInput, parameters=[IF_MATCH_PARAMETER]),
)
async def change_person(request: Request, caller: Annotated[Caller, Depends(caller_of)], user_id: UUID) -> Response:
    """For an ADMIN. Another role ends the person's sessions; the last ADMIN keeps theirs."""
    wanted = await read_body(request, ChangePersonInput)
    person = await gateway_of(request).identity.change_person(
        caller, user_id, PersonChange(wanted.display_name, wanted.role), required_version(request)
    )
    return _shown(person)


@router.post(
    "/{user_id}/disable",
    operation_id="disableUser",
    summary="Keep a person from signing in",
    response_model=PersonOutput,
    responses=problems(401, 404, 409, 422, 503),
    openapi_extra=secured(),
)
async def disable_person(request: Request, caller: Annotated[Caller, Depends(caller_of)], user_id: UUID) -> Response:
    """For an ADMIN. Ends the person's sessions, everywhere within a second; the last ADMIN stays."""
    return _shown(await gateway_of(request).identity.disable_person(caller, user_id))


@router.post(
    "/{user_id}/enable",
    operation_id="enableUser",
    summary="Let a person sign in again",
    response_model=PersonOutput,
    responses=problems(401, 404, 422, 503),
    openapi_extra=secured(),
)
async def enable_person(request: Request, caller: Annotated[Caller, Depends(caller_of)], user_id: UUID) -> Response:
    """For an ADMIN. Tokens of before stay refused."""
    return _shown(await gateway_of(request).identity.enable_person(caller, user_id))


@router.post(
    "/{user_id}/reset-password",
    operation_id="resetPassword",
    summary="Give a person another password",
    response_model=ResetPasswordOutput,
    responses=problems(401, 404, 503, body=True),
    openapi_extra=takes(ResetPasswordInput),
)
async def reset_password(request: Request, caller: Annotated[Caller, Depends(caller_of)], user_id: UUID) -> Response:
    """For an ADMIN. Ends the person's sessions; a generated password is shown this once."""
    given = await read_body(request, ResetPasswordInput)
    generated = await gateway_of(request).identity.reset_password(caller, user_id, given.password)
    return reply(ResetPasswordOutput(password=generated))
