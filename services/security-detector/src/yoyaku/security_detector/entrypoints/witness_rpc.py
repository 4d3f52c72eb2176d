"""Questions in: checkpoints to cosign, and what was cosigned last. Answered by any replica, leading or not."""

from collections.abc import Callable
from datetime import datetime

from loguru import logger

from yoyaku.contracts.rpc import CosignedReply, CosignedRequest, WitnessReply, WitnessRequest
from yoyaku.messaging.rpc import RpcFailedError
from yoyaku.postgres.errors import ConstraintViolatedError, PostgresError
from yoyaku.security_detector import telemetry
from yoyaku.security_detector.domain.witness import DamagedMemoryError
from yoyaku.security_detector.usecases.cosign_checkpoint import CosignCheckpoint
from yoyaku.security_detector.usecases.ports import WitnessRecords

UNAVAILABLE = "unavailable"
"""The code of the error when the witness's memory cannot be reached; asking again is safe."""
DAMAGED = "damaged"
"""The code when it holds what the witness never wrote: no outage, somebody has to look."""


class OnAddCheckpoint:
    """Answers `rpc.security-detector.witness.v1`."""

    def __init__(self, cosign: CosignCheckpoint, now: Callable[[], datetime]) -> None:
        self._cosign = cosign
        self._now = now

    async def __call__(self, request: WitnessRequest) -> WitnessReply:
        """Cosign or refuse. Raises RpcFailedError (`unavailable`, `damaged`)."""
        try:
            answer = await self._cosign(request.body, self._now())
        except (DamagedMemoryError, ConstraintViolatedError) as error:
            telemetry.witness_requests.add(1, {"outcome": DAMAGED})
            logger.bind(cause=str(error)).error("the memory of the witness is damaged, nothing is cosigned")
            raise RpcFailedError(DAMAGED, f"the memory of the witness is damaged: {error}"[:300]) from error
        except PostgresError as error:
            raise RpcFailedError(UNAVAILABLE, "the memory of the witness cannot be reached") from error
        telemetry.witness_requests.add(1, {"outcome": answer.outcome.value})
        if answer.outcome.is_alarming:
            told = logger.bind(origin=answer.origin, size=answer.size, outcome=answer.outcome.value, why=answer.body)
            told.error("a checkpoint that the audit log signed was refused")
        return WitnessReply(status=answer.status, content_type=answer.content_type, body=answer.body)


class OnCosigned:
    """Answers `rpc.security-detector.cosigned.v1`."""

    def __init__(self, records: WitnessRecords) -> None:
        self._records = records

    async def __call__(self, request: CosignedRequest) -> CosignedReply:
        """Return the newest cosigned checkpoint of an origin. Raises RpcFailedError (`unavailable`)."""
        try:
            newest = await self._records.newest(request.origin)
        except DamagedMemoryError as error:
            logger.bind(cause=str(error)).error("the memory of the witness is damaged")
            raise RpcFailedError(DAMAGED, f"the memory of the witness is damaged: {error}"[:300]) from error
        except PostgresError as error:
            raise RpcFailedError(UNAVAILABLE, "the memory of the witness cannot be reached") from error
        return CosignedReply(note=newest.note.encode().decode() if newest else None)
