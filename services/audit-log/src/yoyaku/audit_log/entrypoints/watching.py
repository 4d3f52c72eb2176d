"""One look at the log from outside: newest checkpoint, proof, witness, and verification now and then."""

import base64
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel

from yoyaku.audit_log.domain.watching import Believed, LogViolatedError, check_extends, first_belief, keys_of
from yoyaku.contracts.rpc import (
    RPC_AUDIT_LOG_CHECKPOINT_V1,
    RPC_AUDIT_LOG_CONSISTENCY_V1,
    RPC_AUDIT_LOG_STATUS_V1,
    RPC_AUDIT_LOG_VERIFY_V1,
    RPC_SECURITY_DETECTOR_COSIGNED_V1,
    AuditLogCheckpointReply,
    AuditLogCheckpointRequest,
    AuditLogConsistencyReply,
    AuditLogConsistencyRequest,
    AuditLogStatusReply,
    AuditLogStatusRequest,
    AuditLogVerifyReply,
    AuditLogVerifyRequest,
    CosignedReply,
    CosignedRequest,
)
from yoyaku.messaging.rpc import RpcFailedError, RpcUnavailableError
from yoyaku.messaging.topology import OPERATOR
from yoyaku.tlog.checkpoint import Checkpoint

VERIFY_WITHIN_SECONDS = 600.0

ReplyT = TypeVar("ReplyT", bound=BaseModel)


class Asking(Protocol):
    """The audit log and its witness, asked over the bus."""

    async def ask(
        self, subject: str, question: BaseModel, reply: type[ReplyT], *, within_seconds: float = ...
    ) -> ReplyT:
        """Ask. Raises RpcUnavailableError, RpcFailedError."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What one look showed."""

    believed: Believed
    grown_by: int
    cosigned_size: int | None
    """What the witness cosigned last; None while it is away, or has no key that is known."""
    verified_entries: int | None = None
    """Of a verification that was asked for."""

    @property
    def size(self) -> int:
        """Entries that the newest checkpoint covers."""
        return 0 if self.believed.newest is None else self.believed.newest.size

    def told(self) -> dict[str, Any]:
        """Give it for programs."""
        newest = self.believed.newest
        return {
            "origin": self.believed.origin,
            "size": self.size,
            "root": None if newest is None else newest.root.hex(),
            "grown_by": self.grown_by,
            "cosigned_size": self.cosigned_size,
            "verified_entries": self.verified_entries,
            "outcome": "consistent",
        }


async def look(
    log: Asking, believed: Believed | None, log_vkeys: list[str], witness_vkeys: list[str], *, verify: bool = False
) -> Sight:
    """Look once. `believed`: what was known before.

    The keys given are added to it; without it they count alone, or those that the log tells if none is given.

    Raises LogViolatedError, UnknownKeysError, MalformedKeyError, RpcUnavailableError, RpcFailedError.
    """
    shown = await log.ask(RPC_AUDIT_LOG_CHECKPOINT_V1, AuditLogCheckpointRequest(), AuditLogCheckpointReply)
    standing = await log.ask(RPC_AUDIT_LOG_STATUS_V1, AuditLogStatusRequest(), AuditLogStatusReply)
    if believed is None:
        log_keys = keys_of(log_vkeys or standing.verifier_keys)
        believed = first_belief(shown.note, log_keys, keys_of(witness_vkeys or standing.witness_keys))
    else:
        believed = believed.trusting(keys_of(log_vkeys), keys_of(witness_vkeys))
    opened = believed.of_log(shown.note)
    before = believed.newest
    proof = [] if before is None else await _proof(log, shown.epoch, before, opened.checkpoint)
    believed = believed.extended(opened, proof).with_log_keys(keys_of(standing.verifier_keys), shown.note)
    verified = await _verified(log) if verify else None
    cosigned = await _cosigned(log, believed, shown.epoch)
    return Sight(believed, opened.checkpoint.size - (before.size if before else 0), cosigned, verified)


async def _proof(log: Asking, epoch: int, old: Checkpoint, new: Checkpoint) -> list[bytes]:
    if not 0 < old.size < new.size:
        return []
    question = AuditLogConsistencyRequest(epoch=epoch, old_size=old.size, new_size=new.size)
    try:
        reply = await log.ask(RPC_AUDIT_LOG_CONSISTENCY_V1, question, AuditLogConsistencyReply)
        return [base64.b64decode(one, validate=True) for one in reply.proof]
    except RpcFailedError as refused:
        if refused.code == "damaged":
            raise LogViolatedError("damaged", f"the log cannot prove that it only grew: {refused.detail}") from refused
        raise
    except ValueError as odd:
        raise LogViolatedError("forked", f"the log's proof is none: {odd}") from odd


async def _cosigned(log: Asking, believed: Believed, epoch: int) -> int | None:
    """Compare with the witness; it may have seen more than what was shown a moment ago, then the log is asked again."""
    if not believed.witness_keys or believed.newest is None:
        return None
    try:
        question = CosignedRequest(origin=believed.origin)
        note = (await log.ask(RPC_SECURITY_DETECTOR_COSIGNED_V1, question, CosignedReply)).note
    except RpcUnavailableError:
        return None
    except RpcFailedError as refused:
        if refused.code == "damaged":
            raise LogViolatedError(
                "witness_damaged", f"what the witness saw was changed: {refused.detail}"
            ) from refused
        return None
    if note is None:
        return None
    witnessed, newest = believed.of_witness(note), believed.newest
    if witnessed.size > newest.size:
        again = await log.ask(RPC_AUDIT_LOG_CHECKPOINT_V1, AuditLogCheckpointRequest(), AuditLogCheckpointReply)
        newest = believed.of_log(again.note).checkpoint
    proof = await _proof(log, epoch, witnessed, newest)
    check_extends(witnessed, newest, proof, "cosigned by the witness")
    return witnessed.size


async def _verified(log: Asking) -> int:
    question = AuditLogVerifyRequest(requested_by=OPERATOR)
    reply = await log.ask(RPC_AUDIT_LOG_VERIFY_V1, question, AuditLogVerifyReply, within_seconds=VERIFY_WITHIN_SECONDS)
    if reply.findings:
        first = reply.findings[0]
        told = f"{len(reply.findings)} findings, the first at position {first['position']}: {first['detail']}"
        raise LogViolatedError("damaged", told)
    return reply.entry_count
