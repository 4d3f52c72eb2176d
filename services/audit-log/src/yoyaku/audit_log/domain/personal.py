"""Whose personal values a fact holds: which of them are sealed, and under whose key.

The rule. The client address belongs to the actor when that is a person, else to the person whom the body names, else to
nobody known: to the address itself, by its keyed digest. The personal fields of a body belong to the person whom the
body names, else to the actor when that is a person, else to the address, else to the actor whatever it is.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from yoyaku.audit_log.domain.fact import Fact

PERSON: Final = "person/"
CLIENT: Final = "client/"
OTHER_ACTOR: Final = "actor/"
PERSON_FIELD: Final = "person_id"

_PLAIN_ID: Final = re.compile(r"[\x21-\x7e]{1,128}")

FieldsOf = Callable[[str], frozenset[str] | None]
"""Names the personal fields in the body of an event type; None for a type that is not known."""
ClientDigest = Callable[[str], bytes]
"""The keyed digest of a client address: 16 bytes."""


@dataclass(frozen=True, slots=True)
class PersonalParts:
    """The personal values of one fact."""

    address_key: str | None = None
    """Whose key seals the client address; none: there is no address."""
    body_key: str | None = None
    """Whose key seals values of the body; none: the body holds nothing personal."""
    body_fields: frozenset[str] | None = None
    """Which fields of the body; none: all of it."""

    @property
    def key_references(self) -> tuple[str, ...]:
        """All keys that are needed, sorted, each once."""
        return tuple(sorted({key for key in (self.address_key, self.body_key) if key is not None}))


def personal_parts(
    fact: Fact, body: dict[str, Any] | None, fields_of: FieldsOf, client_digest: ClientDigest
) -> PersonalParts:
    """Say what of a fact is personal. `body`: what `canonical_object` gives for the fact's.

    Of a type that is not known nobody can say what is personal: all of its body is the actor's when that is a person.
    What could not be read as an event names nobody: it is kept as it came.
    """
    if fact.problem is not None:
        return PersonalParts()
    actor = fact.actor if fact.actor is not None and is_person(fact.actor) else None
    person = _person_of(body)
    client = None if fact.client_address is None else client_reference(client_digest(fact.client_address))
    address_key = None if client is None else actor or person or client
    fields = fields_of(fact.type)
    if fields is None:
        return PersonalParts(address_key, actor)
    if not fields or (body is not None and all(body.get(name) is None for name in fields)):
        return PersonalParts(address_key)
    owner = person or actor or client or f"{OTHER_ACTOR}{_id(fact.actor or '')}"
    return PersonalParts(address_key, owner, None if body is None else fields)


def is_person(actor: str) -> bool:
    """Whether an actor is a person whose key can be named after it."""
    return actor.startswith(PERSON) and _PLAIN_ID.fullmatch(actor.removeprefix(PERSON)) is not None


def client_reference(digest: bytes) -> str:
    """Name the key of an address that belongs to no person."""
    return f"{CLIENT}{digest.hex()}"


def _person_of(body: dict[str, Any] | None) -> str | None:
    named = None if body is None else body.get(PERSON_FIELD)
    return f"{PERSON}{_id(named)}" if isinstance(named, str) and named else None


def _id(text: str) -> str:
    """Give an id as it is, or its digest when it could not be part of a key's name."""
    return text if _PLAIN_ID.fullmatch(text) else sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
