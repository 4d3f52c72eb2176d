"""Let a new key sign access tokens, so that nobody is logged out (ID-08)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from yoyaku.booking.domain.signing_key import SigningKey, rotated, signer
from yoyaku.booking.usecases.ports.chance import Clock
from yoyaku.booking.usecases.ports.signing_keys import KeyMaker
from yoyaku.booking.usecases.ports.transactions import Transaction, Transactions
from yoyaku.contracts.identity_v1 import KeyRotated

OPERATOR: Final = "operator"
"""Who acts by a command on the machine."""
_GATEWAY: Final = "service/booking"
"""Who acts when a gateway makes the first key."""


@dataclass(frozen=True, slots=True)
class RotateKeys:
    """Makes keys."""

    transactions: Transactions
    make_pair: KeyMaker
    now: Clock

    async def __call__(self, *, at_once: bool = False) -> SigningKey:
        """Return the new key. Raises KeyAlreadyComingError when one waits already and this one is not to sign at once.

        The keys before it verify until every token that they signed is over.
        """
        async with self.transactions.begin() as tx:
            keys = await tx.signing_keys.all_for_change()
            return await make_next(tx, keys, self.make_pair, now=self.now(), at_once=at_once, actor=OPERATOR)

    async def make_first(self) -> SigningKey | None:
        """Make a key when there is none that can sign; of several that ask at once, one makes it."""
        async with self.transactions.begin() as tx:
            now = self.now()
            keys = await tx.signing_keys.all_for_change()
            if signer(keys, now) is not None:
                return None
            return await make_next(tx, keys, self.make_pair, now=now, at_once=True, actor=_GATEWAY)


async def make_next(
    tx: Transaction, keys: Sequence[SigningKey], make_pair: KeyMaker, *, now: datetime, at_once: bool, actor: str
) -> SigningKey:
    """Make and store the key after those given, and say so. Raises KeyAlreadyComingError."""
    pair = make_pair()
    rotation = rotated(keys, pair.key_id, pair.public_key, now=now, at_once=at_once)
    for key in rotation.changed:
        await tx.signing_keys.change(key)
    await tx.signing_keys.add(rotation.made, pair.sealed_private_key)
    tx.emit(
        KeyRotated(key_id=pair.key_id, signs_from=rotation.made.signs_from),
        subject=f"key/{pair.key_id}",
        actor=actor,
        client_address=None,
    )
    return rotation.made
