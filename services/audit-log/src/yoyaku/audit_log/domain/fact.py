"""A fact as it arrived, before it has a position.

Invariant: every `Fact` can be stored. What PostgreSQL would refuse (a NUL character, text too long for an index, a
number out of range) is not a readable fact, so that no event can stop the log by being odd.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from json import dumps
from typing import Final

UNREADABLE_PREFIX: Final = "/unreadable/"
UNREADABLE_TYPE: Final = "unreadable"
MAX_TEXT_LENGTH: Final = 512
"""Characters of any one attribute: a B-tree of PostgreSQL refuses keys of more than about 2,700 bytes."""
MAX_EVENT_ID_LENGTH: Final = 128
MAX_SOURCE_LENGTH: Final = 200
"""Characters: as much as the fact of a violation (`audit.integrity.violated.v1`) can name."""
MAX_NUMBER: Final = 2**63 - 1
CHECKPOINT_PREFIX: Final = "audit.checkpoint."
"""Checkpoint facts are about the log itself: recorded, each would ask for the next."""


class UnstorableFactError(ValueError):
    """An attribute of an event cannot be kept as what it claims to be; the text says which and why."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where in the bus a fact was read: the stream, and its sequence in it."""

    stream: str
    sequence: int


@dataclass(frozen=True, slots=True)
class Fact:
    """One event, or the opaque bytes of what could not be read (then `problem` says why)."""

    source: str
    number: int
    event_id: str | None
    type: str
    occurred_at: datetime | None
    actor: str | None
    subject: str | None
    correlation_id: str | None
    causation_id: str | None
    client_address: str | None
    dataschema: str | None
    traceparent: str | None
    body: bytes
    body_sha256: bytes
    fact_sha256: bytes
    origin: Origin
    headers: Mapping[str, str]
    problem: str | None = None


def is_recorded(event_type: str) -> bool:
    """Whether an event of this type becomes an entry (AU-01)."""
    return not event_type.startswith(CHECKPOINT_PREFIX)


def readable_fact(
    *,
    source: str,
    number: int,
    event_id: str,
    type: str,  # noqa: A002 - the name CloudEvents gives it
    occurred_at: datetime,
    actor: str,
    subject: str,
    correlation_id: str,
    causation_id: str | None,
    client_address: str | None,
    dataschema: str,
    traceparent: str | None,
    body: bytes,
    headers: Mapping[str, str],
    origin: Origin,
) -> Fact:
    """Make the fact of an event whose envelope was read.

    The digest of the fact covers every attribute of the envelope and the body, not the trace context: the same event,
    sent again, has the same digest. Raises UnstorableFactError.
    """
    texts = (
        event_id,
        source,
        type,
        subject,
        actor,
        correlation_id,
        causation_id,
        client_address,
        dataschema,
    )
    encoded = [_encoded(text) for text in texts]
    if not 1 <= len(event_id) <= MAX_EVENT_ID_LENGTH or not 1 <= len(source) <= MAX_SOURCE_LENGTH:
        raise UnstorableFactError("the id or the source is empty or too long")
    if source.startswith(UNREADABLE_PREFIX):
        raise UnstorableFactError("the source claims to be of what could not be read")
    if not 0 <= number <= MAX_NUMBER:
        raise UnstorableFactError("the number is out of range")
    try:
        moment = occurred_at.astimezone(UTC)
    except OverflowError:
        raise UnstorableFactError("the time is out of range") from None
    return Fact(
        source=source,
        number=number,
        event_id=event_id,
        type=type,
        occurred_at=moment,
        actor=actor,
        subject=subject,
        correlation_id=correlation_id,
        causation_id=causation_id,
        client_address=client_address,
        dataschema=dataschema,
        traceparent=_kept_traceparent(traceparent),
        body=body,
        body_sha256=sha256(body).digest(),
        fact_sha256=_digest([*encoded, moment.isoformat().encode(), str(number).encode(), body]),
        origin=origin,
        headers=headers,
    )


def unreadable_fact(
    *, origin: Origin, headers: Mapping[str, str], body: bytes, problem: str, traceparent: str | None = None
) -> Fact:
    """Make the fact of what could not be read: opaque bytes, numbered by the stream they came from."""
    return Fact(
        source=f"{UNREADABLE_PREFIX}{origin.stream}",
        number=origin.sequence,
        event_id=None,
        type=UNREADABLE_TYPE,
        occurred_at=None,
        actor=None,
        subject=None,
        correlation_id=None,
        causation_id=None,
        client_address=None,
        dataschema=None,
        traceparent=_kept_traceparent(traceparent),
        body=body,
        body_sha256=sha256(body).digest(),
        fact_sha256=_digest([headers_as_bytes(headers), body]),
        origin=origin,
        headers=headers,
        problem=_printable(problem)[:MAX_TEXT_LENGTH],
    )


def headers_as_bytes(headers: Mapping[str, str]) -> bytes:
    """Write headers as canonical JSON in ASCII: any text a header can hold survives, NUL and lone surrogates too."""
    return dumps(dict(headers), sort_keys=True, separators=(",", ":")).encode("ascii")


def _encoded(text: str | None) -> bytes | None:
    if text is None:
        return None
    if len(text) > MAX_TEXT_LENGTH:
        raise UnstorableFactError(f"an attribute is longer than {MAX_TEXT_LENGTH} characters")
    if "\x00" in text:
        raise UnstorableFactError("an attribute holds a NUL character")
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise UnstorableFactError("an attribute is not valid Unicode") from None


def _digest(parts: list[bytes | None]) -> bytes:
    """Hash parts so that no two different lists give the same bytes: each is preceded by its length, absent is -1."""
    digest = sha256()
    for part in parts:
        if part is None:
            digest.update(b"-1:")
        else:
            digest.update(b"%d:" % len(part))
            digest.update(part)
    return digest.digest()


def _kept_traceparent(traceparent: str | None) -> str | None:
    if traceparent is None or len(traceparent) > MAX_TEXT_LENGTH or not traceparent.isprintable():
        return None
    return traceparent


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
