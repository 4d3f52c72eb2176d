"""How the log stands, by request-reply; any replica answers."""

from collections.abc import Callable, Sequence

from yoyaku.audit_log.domain.new_entry import origin_of
from yoyaku.audit_log.entrypoints.rpc.refusals import refusals
from yoyaku.audit_log.usecases.tell_status import TellStatus
from yoyaku.contracts.rpc import AuditLogStatusReply, AuditLogStatusRequest

FIRST_EPOCH = 1


class OnStatus:
    """Answers `rpc.audit-log.status.v1`."""

    def __init__(
        self,
        tell: TellStatus,
        *,
        environment: str,
        verifier_keys: Callable[[str], Sequence[str]],
        witness_keys: Sequence[str],
    ) -> None:
        """`verifier_keys`: the vkeys of the log under the name of an origin."""
        self._tell = tell
        self._environment = environment
        self._verifier_keys = verifier_keys
        self._witness_keys = tuple(witness_keys)

    async def __call__(self, _: AuditLogStatusRequest) -> AuditLogStatusReply:
        """Return everything; before the first term the first epoch is named, with nothing signed."""
        with refusals():
            status = await self._tell()
        standing = status.standing
        origin = standing.origin or origin_of(self._environment, FIRST_EPOCH)
        return AuditLogStatusReply(
            next_position=standing.next_position,
            epoch=standing.epoch or FIRST_EPOCH,
            origin=origin,
            verifier_keys=tuple(self._verifier_keys(origin)),
            witness_keys=self._witness_keys,
            checkpoint_size=standing.checkpoint_size,
            cosigned_size=standing.cosigned_size,
            parts={name: dict(part) for name, part in status.parts.items()},
        )
