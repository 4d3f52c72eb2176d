"""The keys that sign access tokens: which one signs, which ones verify, and how one follows another (ID-08).

Invariants: a key is published and verifiable everywhere before it signs; it verifies until every token that it signed
is over, unless it is revoked; of the keys that are neither revoked nor ended, the one that signs last has no end.

SigningKeyError
├── KeyNotFoundError          there is no key of this id
├── KeyAlreadyComingError     another new key waits for its time to sign
└── OnlyKeyError              without this key nothing could be signed, now or soon
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

TOKEN_LIFETIME: Final = timedelta(minutes=15)
"""How long an access token is good for."""
LEAD: Final = timedelta(seconds=120)
"""How long a new key is published before it signs: longer than processes take to read it, and than anyone may keep the
published list."""
SLACK: Final = timedelta(seconds=60)
"""How far clocks may differ, and how long a process may still sign with the key before."""


class SigningKeyError(Exception):
    """What was asked of the signing keys cannot be done."""


class KeyNotFoundError(SigningKeyError):
    """There is no key of this id."""

    def __init__(self, key_id: str) -> None:
        super().__init__(f"there is no key {key_id}")
        self.key_id = key_id


class KeyAlreadyComingError(SigningKeyError):
    """Another new key waits for its time to sign."""

    def __init__(self, key_id: str, signs_from: datetime) -> None:
        super().__init__(f"key {key_id} signs from {signs_from.isoformat(timespec='seconds')} on already")
        self.key_id = key_id
        self.signs_from = signs_from


class OnlyKeyError(SigningKeyError):
    """Without this key nothing could be signed, now or soon."""

    def __init__(self, key_id: str) -> None:
        super().__init__(f"key {key_id} is the only one that signs now or goes on signing")
        self.key_id = key_id


class KeyState(StrEnum):
    """What a key is for at a given time."""

    COMING = "coming"
    """Published; it signs later."""
    SIGNING = "signing"
    """It signs new tokens."""
    VERIFYING = "verifying"
    """It signs no more; its tokens are still good."""
    OVER = "over"
    """Every token it signed is over."""
    REVOKED = "revoked"
    """Its tokens are refused."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key without its secret."""

    key_id: str
    """RFC 7638 thumbprint."""
    public_key: bytes
    created_at: datetime
    signs_from: datetime
    verifies_until: datetime | None = None
    revoked_at: datetime | None = None

    def verifies(self, now: datetime) -> bool:
        """Say whether tokens of this key are believed; before the key signs, too."""
        return self.revoked_at is None and (self.verifies_until is None or now < self.verifies_until)

    def may_sign(self, now: datetime) -> bool:
        """Say whether a token signed now would be believed until it ends."""
        return self.signs_from <= now and self.verifies(now) and self.verifies(now + TOKEN_LIFETIME)


@dataclass(frozen=True, slots=True)
class Rotation:
    """A new key, and the others as they are from now on."""

    made: SigningKey
    changed: tuple[SigningKey, ...]


def signer(keys: Iterable[SigningKey], now: datetime) -> SigningKey | None:
    """Return the key that signs now: of those that may, one without an end, else the one whose turn came last."""
    able = [key for key in keys if key.may_sign(now)]
    return max(able, key=_turn, default=None)


def _turn(key: SigningKey) -> tuple[bool, datetime, datetime, str]:
    return key.verifies_until is None, key.signs_from, key.created_at, key.key_id


def state_of(key: SigningKey, keys: Iterable[SigningKey], now: datetime) -> KeyState:
    """Return what the key, one of the keys, is for now."""
    if key.revoked_at is not None:
        return KeyState.REVOKED
    if not key.verifies(now):
        return KeyState.OVER
    if now < key.signs_from and key.verifies_until is None:
        return KeyState.COMING
    return KeyState.SIGNING if key == signer(keys, now) else KeyState.VERIFYING


def rotated(
    keys: Sequence[SigningKey], key_id: str, public_key: bytes, *, now: datetime, at_once: bool = False
) -> Rotation:
    """Make a key the next to sign, and set an end to those before it.

    At once means that others may not know the key yet when it signs. A key that was to come then ends without its turn,
    but is believed: a process that has not read of that may sign with it.
    Raises KeyAlreadyComingError when one is to come and this one is not to sign at once.
    """
    lasting = [key for key in keys if key.verifies(now) and key.verifies_until is None]
    coming = [key for key in lasting if key.signs_from > now]
    if coming and not at_once:
        raise KeyAlreadyComingError(coming[0].key_id, coming[0].signs_from)
    # The very first key has nobody to wait for.
    signs_from = now if at_once or signer(keys, now) is None else now + LEAD
    end = signs_from + TOKEN_LIFETIME + SLACK
    ended = tuple(replace(key, verifies_until=end) for key in lasting)
    return Rotation(SigningKey(key_id, public_key, now, signs_from), ended)


def revoked(keys: Sequence[SigningKey], key_id: str, *, now: datetime) -> SigningKey:
    """Return the key as revoked. Raises KeyNotFoundError."""
    for key in keys:
        if key.key_id == key_id:
            return key if key.revoked_at is not None else replace(key, revoked_at=now)
    raise KeyNotFoundError(key_id)


def suffice(keys: Sequence[SigningKey], now: datetime) -> bool:
    """Say whether one of the keys signs now and one of them will go on signing."""
    return signer(keys, now) is not None and any(key.verifies(now) and key.verifies_until is None for key in keys)


def without(keys: Sequence[SigningKey], key: SigningKey) -> list[SigningKey]:
    """Return the other keys."""
    return [other for other in keys if other.key_id != key.key_id]
