"""The list of backups, read by those who watch over the system."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from yoyaku.booking.entrypoints.http.openapi.contract import problems, secured
from yoyaku.booking.entrypoints.http.principal import caller_of, gateway_of
from yoyaku.booking.entrypoints.http.replies import reply
from yoyaku.booking.usecases.caller import Caller
from yoyaku.contracts.rpc import BackupRun

router = APIRouter(prefix="/api/v1/backups", tags=["Backups"])


class BackupQuery(BaseModel):
    """How many backups."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: Annotated[int, Field(ge=1, le=500)] = 50


class BackupList(BaseModel):
    """Backup runs, the newest first."""

    items: list[BackupRun]


@router.get(
    "",
    operation_id="listBackups",
    summary="List the newest backup runs",
    response_model=BackupList,
    responses=problems(401, 422, 502, 503),
    openapi_extra=secured(),
)
async def list_backups(
    request: Request, caller: Annotated[Caller, Depends(caller_of)], query: Annotated[BackupQuery, Query()]
) -> Response:
    """For an ADMIN or OPERATOR; answered by the backup coordinator over the bus."""
    found = await gateway_of(request).list_backups(caller, limit=query.limit)
    return reply({"items": found.runs})
