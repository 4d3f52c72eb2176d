"""People, managed by an ADMIN."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from yoyaku.booking.entrypoints.http.bodies import read_body
from yoyaku.booking.entrypoints.http.contract import problems, takes
from yoyaku.booking.entrypoints.http.principal import caller_of, gateway_of
from yoyaku.booking.entrypoints.http.replies import reply
from yoyaku.booking.entrypoints.http.schemas.people import CreatePersonInput, PersonOutput
from yoyaku.booking.usecases.create_person import NewPerson

router = APIRouter(prefix="/api/v1/users", tags=["People"])


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
    return reply(PersonOutput.of(person), 201)
