"""The personal values of one batch of facts: sealed, digested and found again under their owners' keys."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Any

from yoyaku.audit_log.domain.fact import Fact, headers_as_bytes
from yoyaku.audit_log.domain.leaf import Sealing, associated_data, canonical_object
from yoyaku.audit_log.domain.new_entry import ClientOfEntry
from yoyaku.audit_log.domain.personal import ClientDigest, FieldsOf, PersonalParts, personal_parts
from yoyaku.audit_log.domain.sequence import Evidence, FactDigest, Recorded
from yoyaku.audit_log.usecases.key_ports import Keyring, PersonalKeys


@dataclass(frozen=True, slots=True)
class Personal:
    """What says which values are personal."""

    fields_of: FieldsOf
    client_digest: ClientDigest

    async def of_batch(
        self, keys: PersonalKeys, facts: Sequence[Fact], recorded: Sequence[Recorded]
    ) -> "PersonalBatch":
        """Find out what is personal in a batch, and get the keys. Raises as `PersonalKeys.keyring`.

        Keys of facts that are recorded already are not made again: their person may have been forgotten since.
        """
        known = {(one.source, one.number) for one in recorded}
        parts: dict[int, tuple[PersonalParts, dict[str, Any] | None]] = {}
        wanted: set[str] = set()
        for fact in facts:
            body = canonical_object(fact.body)
            found = personal_parts(fact, body, self.fields_of, self.client_digest)
            parts[id(fact)] = (found, body)
            if (fact.source, fact.number) not in known:
                wanted.update(found.key_references)
        asked = {reference for one in recorded for reference in one.digest.key_references}
        asked.update(reference for found, _ in parts.values() for reference in found.key_references)
        keyring = await keys.keyring(wanted, asked - wanted)
        return PersonalBatch(parts, keyring, self.client_digest)


class PersonalBatch:
    """A batch of facts and the keys of their personal values; makes their digests (`domain.sequence.Digests`)."""

    def __init__(
        self,
        parts: dict[int, tuple[PersonalParts, dict[str, Any] | None]],
        keyring: Keyring,
        client_digest: ClientDigest,
    ) -> None:
        self._parts = parts
        self._keyring = keyring
        self._client_digest = client_digest

    def own(self, fact: Fact) -> FactDigest:
        """Give the digest that is kept of a fact. That of a forgotten person's tells nothing but which fact it is."""
        references = self._parts[id(fact)][0].key_references
        if self._keyring.has(references):
            return FactDigest(self._keyring.digest(references, fact.fact_sha256), references)
        return FactDigest(sha256(f"{fact.source}\n{fact.number}".encode()).digest(), references)

    def under(self, fact: Fact, key_references: tuple[str, ...]) -> bytes | None:
        """Give the digest of a fact with the keys named; None when one of them was destroyed."""
        if not self._keyring.has(key_references):
            return None
        return self._keyring.digest(key_references, fact.fact_sha256)

    def body(self, fact: Fact) -> dict[str, Any] | None:
        """Give the body as `canonical_object` read it."""
        return self._parts[id(fact)][1]

    def sealing(self, fact: Fact) -> Sealing | None:
        """Say how a fact's personal values are sealed; None when it has none."""
        parts = self._parts[id(fact)][0]
        if not parts.key_references:
            return None
        seal = partial(_sealed, self._keyring, fact)
        return Sealing(seal, parts.address_key, parts.body_key, parts.body_fields)

    def client(self, fact: Fact) -> ClientOfEntry | None:
        """Say by which digest an entry is found by its client address; not at all when the person is forgotten."""
        reference = self._parts[id(fact)][0].address_key
        if fact.client_address is None or reference is None or not self._keyring.has((reference,)):
            return None
        return ClientOfEntry(self._client_digest(fact.client_address), reference)

    def evidence(self, fact: Fact) -> Evidence:
        """Give what is kept of a fact that contradicts: as received, sealed where it is personal, or nothing."""
        references, headers = self._parts[id(fact)][0].key_references, headers_as_bytes(fact.headers)
        if not references:
            return Evidence(headers, fact.body)
        if not self._keyring.has(references):
            return Evidence(b"", b"", references)
        sealed = partial(self._keyring.seal_evidence, references)
        return Evidence(sealed(headers), sealed(fact.body), references)


def _sealed(keyring: Keyring, fact: Fact, reference: str, pointer: str, plaintext: bytes) -> dict[str, Any]:
    return keyring.seal(reference, associated_data(fact.source, fact.number, pointer), plaintext)
