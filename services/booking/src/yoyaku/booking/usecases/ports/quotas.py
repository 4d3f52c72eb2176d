"""What is left of the quotas (GW-04)."""

from typing import Protocol

from yoyaku.booking.domain.rate import Limit, Verdict


class Quotas(Protocol):
    """Remembers how much of its quota each key has used; bounded, so that the least used are forgotten first."""

    def take(self, limit: Limit, key: str) -> Verdict:
        """Take one request of a key from its quota, or refuse. Never waits."""
