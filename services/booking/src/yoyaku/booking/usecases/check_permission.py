"""Let a caller do something, or refuse and say so on the record.

Invariant: the first refusal of a person and action leaves `identity.access.denied.v1` in a transaction of its own
before it is answered; further ones of the same second are one event with their number.
"""

from collections.abc import Callable

from yoyaku.booking.domain.errors import NotPermittedError
from yoyaku.booking.domain.person import Action, may
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.counted_refusals import CountedRefusals
from yoyaku.booking.usecases.ports.transactions import Transactions
from yoyaku.contracts.identity_v1 import AccessDenied


class CheckPermission:
    """Looks into the one table of permissions; `aclose` records the refusals still counted."""

    def __init__(self, transactions: Transactions, *, digest: Callable[[str], str] | None = None) -> None:
        self._transactions = transactions
        self._digest = digest
        self._refusals = CountedRefusals(self._record)

    async def __call__(self, caller: Caller, action: Action) -> None:
        """Return when the caller's role may do this. Raises NotPermittedError after recording the refusal."""
        if may(caller.role, action):
            return
        await self._refusals.note((caller.person_id, action), (caller, action))
        raise NotPermittedError(action.value)

    async def aclose(self) -> None:
        """Record what is counted."""
        await self._refusals.aclose()

    async def _record(self, refusal: tuple[Caller, Action], count: int) -> None:
        caller, action = refusal
        async with self._transactions.begin() as tx:
            tx.emit(
                AccessDenied(
                    person_id=str(caller.person_id),
                    action=action.value,
                    client_address=caller.client_address,
                    count=count,
                    user_agent_digest=self._digest(caller.user_agent) if self._digest and caller.user_agent else None,
                ),
                subject=f"person/{caller.person_id}",
                actor=caller.actor,
                client_address=caller.client_address,
            )
