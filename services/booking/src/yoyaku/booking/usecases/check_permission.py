"""Let a caller do something, or refuse and say so on the record.

Invariant: each refusal leaves `identity.access.denied.v1`, in a transaction of its own.
"""

from dataclasses import dataclass

from yoyaku.booking.domain.errors import NotPermittedError
from yoyaku.booking.domain.person import Action, may
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.ports.transactions import Transactions
from yoyaku.contracts.identity_v1 import AccessDenied


@dataclass(frozen=True, slots=True)
class CheckPermission:
    """Looks into the one table of permissions."""

    transactions: Transactions

    async def __call__(self, caller: Caller, action: Action) -> None:
        """Return when the caller's role may do this. Raises NotPermittedError after recording the refusal."""
        if may(caller.role, action):
            return
        async with self.transactions.begin() as tx:
            tx.emit(
                AccessDenied(
                    person_id=str(caller.person_id), action=action.value, client_address=caller.client_address
                ),
                subject=f"person/{caller.person_id}",
                actor=caller.actor,
                client_address=caller.client_address,
            )
        raise NotPermittedError(action.value)
