"""The witness in security-detector, asked over the bus."""

from collections.abc import Sequence
from typing import Final

from yoyaku.audit_log.domain.epochs import KnownCheckpoint, known_checkpoint
from yoyaku.audit_log.usecases.reconcile import SourceAwayError
from yoyaku.audit_log.usecases.witness_ports import WitnessAnswer, WitnessAwayError
from yoyaku.contracts.rpc import (
    RPC_SECURITY_DETECTOR_COSIGNED_V1,
    RPC_SECURITY_DETECTOR_WITNESS_V1,
    CosignedReply,
    CosignedRequest,
    WitnessReply,
    WitnessRequest,
)
from yoyaku.messaging.broker import ServiceBroker
from yoyaku.messaging.rpc import RpcFailedError, RpcUnavailableError, request
from yoyaku.tlog.errors import TlogError
from yoyaku.tlog.keys import VerifierKey

TIMEOUT_SECONDS: Final = 5.0


class InnerWitness:
    """The witness of this system."""

    def __init__(self, broker: ServiceBroker, keys: Sequence[VerifierKey]) -> None:
        """`keys`: at least one, all with the witness's name."""
        self._broker = broker
        self.keys: Sequence[VerifierKey] = tuple(keys)
        self.name: str = keys[0].name

    async def add_checkpoint(self, body: bytes) -> WitnessAnswer:
        """Ask for a cosignature. Raises WitnessAwayError."""
        question = WitnessRequest(body=body.decode())
        try:
            reply = await request(
                self._broker, RPC_SECURITY_DETECTOR_WITNESS_V1, question, WitnessReply, TIMEOUT_SECONDS
            )
        except (RpcUnavailableError, RpcFailedError) as error:
            raise WitnessAwayError(str(error)) from error
        return WitnessAnswer(reply.status, reply.content_type, reply.body.encode())

    async def newest(self, origin: str) -> str | None:
        """Return the note of the newest checkpoint of an origin that it cosigned. Raises WitnessAwayError."""
        question = CosignedRequest(origin=origin)
        try:
            reply = await request(
                self._broker, RPC_SECURITY_DETECTOR_COSIGNED_V1, question, CosignedReply, TIMEOUT_SECONDS
            )
        except (RpcUnavailableError, RpcFailedError) as error:
            raise WitnessAwayError(str(error)) from error
        return reply.note


class CosignedByWitness:
    """The newest checkpoints that the witness of this system cosigned."""

    name: Final = "the witness"
    is_awaited: Final = True

    def __init__(self, witness: InnerWitness) -> None:
        self._witness = witness

    async def newest(self, origin: str, size: int) -> KnownCheckpoint | None:
        """Return the newest cosigned checkpoint of an origin. Raises SourceAwayError, also for one that is not its."""
        try:
            note = await self._witness.newest(origin)
            return None if note is None else known_checkpoint(note, origin, self._witness.keys, self.name)
        except WitnessAwayError as away:
            raise SourceAwayError(str(away)) from away
        except TlogError as odd:
            raise SourceAwayError(f"its checkpoint cannot be used: {odd}") from None
