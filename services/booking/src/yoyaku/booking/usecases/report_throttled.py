"""Put refusals for asking too often on the record: one event a key and second, however many there were (GW-04).

Invariant: a key is what the limit counts by, so that the many addresses of one IPv6 network are one event; its client
address is that of the first of them.
"""

from collections.abc import Callable
from typing import Final

from yoyaku.booking.usecases.counted_refusals import CountedRefusals, ignore
from yoyaku.booking.usecases.limit_requests import Refusal
from yoyaku.booking.usecases.ports.transactions import Transactions
from yoyaku.contracts.identity_v1 import RequestThrottled

MOST_KEYS: Final = 1_000
"""Each is a transaction a second at most; a flood from more than so many keys is told by its metric."""


class ReportThrottled:
    """Counts refusals and records them; refusing waits for none of that. `aclose` records what is still counted."""

    def __init__(self, transactions: Transactions, *, lost: Callable[[int], None] = ignore) -> None:
        self._transactions = transactions
        self._refusals = CountedRefusals(self._record, most_keys=MOST_KEYS, lost=lost)

    def __call__(self, refusal: Refusal) -> None:
        """Count one."""
        self._refusals.count((refusal.policy, refusal.counted_as), refusal)

    async def aclose(self) -> None:
        """Record what is counted."""
        await self._refusals.aclose()

    async def _record(self, refusal: Refusal, count: int) -> None:
        actor = f"person/{refusal.person_id}" if refusal.person_id else "anonymous"
        async with self._transactions.begin() as tx:
            tx.emit(
                RequestThrottled(
                    policy=refusal.policy,
                    key=refusal.key,
                    person_id=str(refusal.person_id) if refusal.person_id else None,
                    client_address=refusal.client_address,
                    user_id_digest=refusal.user_id_digest,
                    count=count,
                ),
                subject=_subject(refusal),
                actor=actor,
                client_address=refusal.client_address,
            )


def _subject(refusal: Refusal) -> str:
    if refusal.person_id:
        return f"person/{refusal.person_id}"
    if refusal.user_id_digest:
        return f"login/{refusal.user_id_digest}"
    return f"address/{refusal.client_address}"
