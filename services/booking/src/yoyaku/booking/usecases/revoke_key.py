"""Refuse every token that a signing key signed: for a key that others may know (ID-08)."""

from dataclasses import dataclass

from yoyaku.booking.domain.signing_key import OnlyKeyError, SigningKey, revoked, suffice, without
from yoyaku.booking.usecases.ports.chance import Clock
from yoyaku.booking.usecases.ports.signing_keys import KeyMaker
from yoyaku.booking.usecases.ports.transactions import Transactions
from yoyaku.booking.usecases.rotate_keys import OPERATOR, make_next
from yoyaku.contracts.identity_v1 import KeyRevoked


@dataclass(frozen=True, slots=True)
class RevokeKey:
    """Revokes keys."""

    transactions: Transactions
    make_pair: KeyMaker
    now: Clock

    async def __call__(self, key_id: str, *, replace: bool = False) -> SigningKey | None:
        """Revoke the key; to replace it means to make another, which signs at once and is returned.

        Raises KeyNotFoundError, and OnlyKeyError when nothing could be signed without it and it is not to be replaced.
        """
        async with self.transactions.begin() as tx:
            now = self.now()
            keys = await tx.signing_keys.all_for_change()
            key = revoked(keys, key_id, now=now)
            others = without(keys, key)
            if not replace and not suffice(others, now):
                raise OnlyKeyError(key_id)
            await tx.signing_keys.change(key)
            made = None
            if replace:
                made = await make_next(tx, others, self.make_pair, now=now, at_once=True, actor=OPERATOR)
            tx.emit(
                KeyRevoked(key_id=key_id, replaced_by=made.key_id if made else None),
                subject=f"key/{key_id}",
                actor=OPERATOR,
                client_address=None,
            )
            return made
