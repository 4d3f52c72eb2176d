"""The keys of personal values, for who records and who reads."""

import os
from dataclasses import dataclass
from typing import Self

from yoyaku.audit_log.adapters.personal_keys import ClientDigests, MasterKey, SubjectKeys
from yoyaku.audit_log.usecases.personal import Personal
from yoyaku.audit_log.wiring.secrets import Secrets
from yoyaku.contracts.personal import personal_fields
from yoyaku.contracts.registry import EVENTS
from yoyaku.contracts.values import canonical_address


@dataclass(frozen=True, slots=True)
class PersonalData:
    """One object for a process: unwrapped keys are remembered in it."""

    keys: SubjectKeys
    client_digest: ClientDigests
    personal: Personal

    @classmethod
    def of(cls, secrets: Secrets) -> Self:
        """Make it from the keys in the service's files."""
        digests = ClientDigests(secrets.digest_key, canonical_address)
        keys = SubjectKeys(MasterKey(secrets.master_key), os.urandom)
        return cls(keys, digests, Personal(fields_of, digests))


def fields_of(event_type: str) -> frozenset[str] | None:
    """Name the personal fields in the body of an event type; None for a type that is not known."""
    model = EVENTS.get(event_type)
    return None if model is None else personal_fields(model)
