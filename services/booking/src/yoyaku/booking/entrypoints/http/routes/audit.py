"""The audit log, read by those who watch over the system."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from yoyaku.booking.entrypoints.http.openapi.contract import problems, secured
from yoyaku.booking.entrypoints.http.principal import caller_of, gateway_of
from yoyaku.booking.entrypoints.http.replies import link_to_next, reply
from yoyaku.booking.usecases.caller import Caller
from yoyaku.contracts.rpc import AuditEntry

router = APIRouter(prefix="/api/v1/audit", tags=["Audit"])


class AuditQuery(BaseModel):
    """Which page of the audit log."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    after: Annotated[
        int, Field(ge=-1, le=2**63 - 1, description="Entries with positions above this one; -1 starts at the first.")
    ] = -1
    limit: Annotated[int, Field(ge=1, le=500)] = 100


class AuditEntryList(BaseModel):
    """A page of entries by position; `Link` names the next one."""

    items: list[AuditEntry]


@router.get(
    "/entries",
    operation_id="listAuditEntries",
    summary="Read the audit log",
    response_model=AuditEntryList,
    responses=problems(401, 422, 502, 503),
    openapi_extra=secured(),
)
async def list_audit_entries(
    request: Request, caller: Annotated[Caller, Depends(caller_of)], query: Annotated[AuditQuery, Query()]
) -> Response:
    """For an ADMIN or OPERATOR; answered by the audit log over the bus."""
    found = await gateway_of(request).search_audit_log(caller, after_position=query.after, limit=query.limit)
    following = found.next_after_position
    link = link_to_next(request, after=None if following is None else str(following))
    return reply({"items": found.entries}, headers=link)
