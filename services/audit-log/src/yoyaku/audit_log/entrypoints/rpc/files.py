"""The files of the log's layout by request-reply, in parts that an answer can hold."""

import base64
from typing import Final

from yoyaku.audit_log.entrypoints.rpc.refusals import refusals
from yoyaku.audit_log.usecases.read_file import ReadFile
from yoyaku.audit_log.usecases.reader_ports import Reader
from yoyaku.contracts.rpc import AuditLogFileReply, AuditLogFileRequest

LARGEST_PART_BYTES: Final = 700_000
"""In base64 and with the rest of the answer a little under what the bus takes."""


class OnFile:
    """Answers `rpc.audit-log.file.v1`."""

    def __init__(self, read: ReadFile) -> None:
        self._read = read

    async def __call__(self, request: AuditLogFileRequest) -> AuditLogFileReply:
        """Return a part of a file."""
        with refusals():
            part = await self._read(
                Reader(request.requested_by, request.asked_from),
                request.path,
                epoch=request.epoch,
                offset=request.offset,
                max_bytes=LARGEST_PART_BYTES,
            )
        return AuditLogFileReply(
            content=base64.b64encode(part.content).decode(),
            size_bytes=part.size_bytes,
            is_immutable=part.is_immutable,
        )
