"""Refuse requests that are too many for who sends them, where from, or whose account they knock at (GW-04).

Invariant: deciding reads no body and waits for nothing. Every refusal is reported to `throttled`, which may count them
together.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from yoyaku.booking.domain.rate import Limit, network_of, whole_seconds
from yoyaku.booking.usecases.ports.chance import Digest
from yoyaku.booking.usecases.ports.quotas import Quotas
from yoyaku.contracts.identity_v1 import ThrottleKey

ADDRESS = "address"
PERSON = "person"
SIGN_IN_ADDRESS = "sign-in-address"
SIGN_IN_ACCOUNT = "sign-in-account"
CONCURRENT = "concurrent"
POLICIES = (ADDRESS, PERSON, SIGN_IN_ADDRESS, SIGN_IN_ACCOUNT, CONCURRENT)


class Standing(NamedTuple):
    """How a client stands with one limit."""

    limit: Limit
    accepted: bool
    remaining: int
    more_in_seconds: int
    """Until there is more than remains."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refused request: which limit, and whose."""

    policy: str
    key: ThrottleKey
    counted_as: str
    """What the limit counts by: an address's network, a person, an account from a network."""
    client_address: str
    person_id: UUID | None = None
    user_id_digest: str | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a gateway; None is a limit that is switched off."""

    address: Limit | None
    person: Limit | None
    sign_in_address: Limit | None
    sign_in_account: Limit | None
    ipv6_prefix_bits: int


@dataclass(frozen=True, slots=True)
class LimitRequests:
    """Judges requests by each limit; every method says how the client stands, None where there is no limit."""

    limits: Limits
    quotas: Quotas
    throttled: Callable[[Refusal], None]
    digest: Digest

    def by_address(self, client_address: str) -> Standing | None:
        """Judge any request by where it comes from."""
        network = network_of(client_address, self.limits.ipv6_prefix_bits)
        return self._judge(self.limits.address, network, ThrottleKey.ADDRESS, client_address)

    def by_person(self, person_id: UUID, client_address: str) -> Standing | None:
        """Judge a request of somebody who is signed in."""
        return self._judge(self.limits.person, str(person_id), ThrottleKey.PERSON, client_address, person_id=person_id)

    def sign_in_by_address(self, client_address: str) -> Standing | None:
        """Judge a sign-in by where it comes from."""
        network = network_of(client_address, self.limits.ipv6_prefix_bits)
        return self._judge(self.limits.sign_in_address, network, ThrottleKey.ADDRESS, client_address)

    def sign_in_by_account(self, user_id: str, client_address: str) -> Standing | None:
        """Judge a sign-in by the account it is for, whether there is such an account or not, and where it comes from.

        By both, so that strangers who guess do not keep the owner out.
        """
        if self.limits.sign_in_account is None:
            return None
        user_id_digest = self.digest(user_id.casefold())
        network = network_of(client_address, self.limits.ipv6_prefix_bits)
        return self._judge(
            self.limits.sign_in_account,
            f"{user_id_digest} {network}",
            ThrottleKey.ACCOUNT,
            client_address,
            user_id_digest=user_id_digest,
        )

    def concurrent(self, client_address: str) -> None:
        """Report a request that was refused because its address has too many under way."""
        network = network_of(client_address, self.limits.ipv6_prefix_bits)
        self.throttled(Refusal(CONCURRENT, ThrottleKey.ADDRESS, network, client_address))

    def _judge(
        self,
        limit: Limit | None,
        key: str,
        kind: ThrottleKey,
        client_address: str,
        *,
        person_id: UUID | None = None,
        user_id_digest: str | None = None,
    ) -> Standing | None:
        if limit is None:
            return None
        verdict = self.quotas.take(limit, key)
        if not verdict.accepted:
            self.throttled(Refusal(limit.policy, kind, key, client_address, person_id, user_id_digest))
        return Standing(limit, verdict.accepted, verdict.remaining, whole_seconds(verdict.wait_ns))
