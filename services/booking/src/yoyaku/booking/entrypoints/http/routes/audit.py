"""The audit log, read and proven by those who watch over the system; answered by the audit log over the bus."""

import re
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from yoyaku.booking.domain.errors import NotInAuditLogError, RuleBrokenError, Violation
from yoyaku.booking.entrypoints.http.openapi.contract import asks, problems, secured
from yoyaku.booking.entrypoints.http.principal import caller_of, gateway_of
from yoyaku.booking.entrypoints.http.queries import asked
from yoyaku.booking.entrypoints.http.replies import page_links, reply
from yoyaku.booking.entrypoints.http.schemas.audit import (
    LARGEST_POSITION,
    AuditEntryDetail,
    AuditEntryList,
    AuditPageQuery,
    AuditQuery,
    CheckpointOutput,
    ConsistencyOutput,
    ConsistencyQuery,
    EpochQuery,
)
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.read_audit_log import AuditFilters, AuditPage
from yoyaku.contracts.rpc import AuditLogSearchReply

router = APIRouter(prefix="/api/v1/audit", tags=["Audit"])

TEXT: Final = "text/plain; charset=utf-8"
BYTES: Final = "application/octet-stream"
LONGEST_PATH: Final = 200
_POSITION: Final = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_EVENT_ID: Final = re.compile(r"[^\x00-\x1f\x7f]{1,128}")
_CORRELATION_ID: Final = re.compile(r"[^\x00-\x1f\x7f]{1,512}")
_ENTRY: Final[dict[str, Any]] = {
    "name": "entry_id",
    "in": "path",
    "required": True,
    "description": "The position of the entry, or the id of its event.",
    "schema": {"type": "string", "examples": ["7"]},
}
_STORY: Final[dict[str, Any]] = {
    "name": "correlation_id",
    "in": "path",
    "required": True,
    "description": "The trace id of the request that began it (`X-Trace-Id` of its answer).",
    "schema": {"type": "string", "examples": ["0af7651916cd43dd8448eb211c80319c"]},
}
_PATH: Final[dict[str, Any]] = {
    "name": "path",
    "in": "path",
    "required": True,
    "description": "`checkpoint`, `checkpoints/<size>`, `tile/<L>/<N>[.p/<W>]`, `tile/entries/<N>[.p/<W>]`, "
    "`bodies/<sha256>`",
    "schema": {"type": "string", "examples": ["checkpoint"]},
}


@router.get(
    "/entries",
    operation_id="listAuditEntries",
    summary="Search the audit log",
    response_model=AuditEntryList,
    responses=problems(401, 422, 502, 503),
    openapi_extra={**secured(), "parameters": asks(AuditQuery)},
)
async def list_audit_entries(request: Request, caller: Annotated[Caller, Depends(caller_of)]) -> Response:
    """For an ADMIN or OPERATOR, by position. Each page that is read becomes an entry itself."""
    query = asked(request, AuditQuery)
    found = await gateway_of(request).audit_log.search(caller, query.filters(), query.page())
    return _page(request, found)


@router.get(
    "/entries/{entry_id}",
    operation_id="showAuditEntry",
    summary="Read one entry",
    response_model=AuditEntryDetail,
    responses=problems(401, 404, 502, 503),
    openapi_extra={**secured(), "parameters": [_ENTRY]},
)
async def show_audit_entry(request: Request, caller: Annotated[Caller, Depends(caller_of)]) -> Response:
    """With the very bytes that the log's tree holds."""
    shown = await gateway_of(request).audit_log.show(caller, **_wanted(request))
    detail = AuditEntryDetail(entry=shown.entry, epoch=shown.epoch, leaf=shown.leaf, is_proven=shown.proof is not None)
    return reply(detail)


@router.get(
    "/entries/{entry_id}/proof",
    operation_id="proveAuditEntry",
    summary="Prove one entry",
    response_class=Response,
    responses={
        200: {
            "description": "A C2SP tlog-proof with the entry.",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        },
        **problems(401, 404, 502, 503),
    },
    openapi_extra={**secured(), "parameters": [_ENTRY]},
)
async def prove_audit_entry(request: Request, caller: Annotated[Caller, Depends(caller_of)]) -> Response:
    """A file that anybody checks with `yoyaku audit check FILE` and the log's public key, and nothing else."""
    position, proof = await gateway_of(request).audit_log.prove(caller, **_wanted(request))
    name = f'attachment; filename="entry-{position}.tlog-proof"'
    return Response(proof, headers={"Content-Disposition": name}, media_type=TEXT)


@router.get(
    "/stories/{correlation_id}",
    operation_id="readAuditStory",
    summary="Read the whole story of a request",
    response_model=AuditEntryList,
    responses=problems(401, 422, 502, 503),
    openapi_extra={**secured(), "parameters": [_STORY, *asks(AuditPageQuery)]},
)
async def read_audit_story(request: Request, caller: Annotated[Caller, Depends(caller_of)]) -> Response:
    """What one request caused in all services, in the order in which it was recorded."""
    query = asked(request, AuditPageQuery)
    story = request.path_params["correlation_id"]
    if not _CORRELATION_ID.fullmatch(story):
        raise NotInAuditLogError
    page = AuditPage(query.after, query.until, query.limit)
    log = gateway_of(request).audit_log
    return _page(request, await log.search(caller, AuditFilters(correlation_id=story), page, kind="story"))


@router.get(
    "/checkpoint",
    operation_id="readAuditCheckpoint",
    summary="Read what the audit log signed last",
    response_model=CheckpointOutput,
    responses=problems(401, 404, 422, 502, 503),
    openapi_extra={**secured(), "parameters": asks(EpochQuery)},
)
async def read_audit_checkpoint(request: Request, caller: Annotated[Caller, Depends(caller_of)]) -> Response:
    """Keep it elsewhere: whoever has an old one notices when the log is cut short or rewritten."""
    found = await gateway_of(request).audit_log.checkpoint(caller, asked(request, EpochQuery).epoch)
    return reply(CheckpointOutput(epoch=found.epoch, origin=found.origin, size=found.size, note=found.note))


@router.get(
    "/consistency",
    operation_id="proveAuditConsistency",
    summary="Prove that the audit log only grew",
    response_model=ConsistencyOutput,
    responses=problems(401, 404, 422, 502, 503),
    openapi_extra={**secured(), "parameters": asks(ConsistencyQuery)},
)
async def prove_audit_consistency(request: Request, caller: Annotated[Caller, Depends(caller_of)]) -> Response:
    """The log of the second size begins with that of the first one."""
    query = asked(request, ConsistencyQuery)
    if query.old_size > query.new_size:
        raise RuleBrokenError([Violation("to", "not-after-start")])
    found = await gateway_of(request).audit_log.consistency(
        caller, epoch=query.epoch, old_size=query.old_size, new_size=query.new_size
    )
    return reply(ConsistencyOutput(epoch=found.epoch, proof=list(found.proof)))


@router.get(
    "/log/{path:path}",
    operation_id="readAuditLogFile",
    summary="Read a file of the audit log",
    response_class=Response,
    responses={
        200: {
            "description": "The file. Checkpoints are text.",
            "content": {
                BYTES: {"schema": {"type": "string", "format": "binary"}},
                "text/plain": {"schema": {"type": "string"}},
            },
        },
        **problems(401, 404, 422, 502, 503),
    },
    openapi_extra={**secured(), "parameters": [_PATH, *asks(EpochQuery)]},
)
async def read_audit_log_file(request: Request, caller: Annotated[Caller, Depends(caller_of)]) -> Response:
    """The layout of C2SP tlog-tiles, for its clients and monitors; what will never change says so."""
    epoch = asked(request, EpochQuery).epoch
    path = request.path_params["path"]
    if not 0 < len(path) <= LONGEST_PATH:
        raise NotInAuditLogError
    found = await gateway_of(request).audit_log.file(caller, path, epoch)
    kept = "private, max-age=31536000, immutable" if found.is_immutable else "private, no-cache"
    media_type = TEXT if path.startswith("checkpoint") else BYTES
    return Response(found.content, headers={"Cache-Control": kept}, media_type=media_type)


def _page(request: Request, found: AuditLogSearchReply) -> Response:
    following = None if found.next_after_position is None else str(found.next_after_position)
    links = page_links(request, after=following)
    if following is not None:
        links = page_links(request, after=following, until=str(found.up_to_position))
    return reply(AuditEntryList(items=list(found.entries), until=found.up_to_position), headers=links)


def _wanted(request: Request) -> dict[str, Any]:
    """Read which entry is meant: digits are a position, anything else is an event's id."""
    name = request.path_params["entry_id"]
    if _POSITION.fullmatch(name):
        if int(name) > LARGEST_POSITION:
            raise NotInAuditLogError
        return {"position": int(name), "event_id": None}
    if not _EVENT_ID.fullmatch(name):
        raise NotInAuditLogError
    return {"position": None, "event_id": name}
