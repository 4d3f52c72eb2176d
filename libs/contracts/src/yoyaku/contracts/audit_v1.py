"""Facts about the audit log itself."""

from typing import Annotated, ClassVar

from pydantic import Field

from yoyaku.contracts.envelope import Event
from yoyaku.contracts.subjects import AUDIT_INTEGRITY_VIOLATED_V1
from yoyaku.contracts.values import Code, Identifier, Sha256Hex


class IntegrityViolated(Event):
    """What arrived contradicts what the audit log holds."""

    TYPE: ClassVar[str] = AUDIT_INTEGRITY_VIOLATED_V1

    kind: Code
    """What contradicts: `content_changed`, `event_id_reused` (same id, another fact) or `number_reused` (same source
    and number, another fact)."""
    event_id: Identifier
    source: Annotated[str, Field(min_length=1, max_length=200)]
    number: Annotated[int, Field(ge=0)]
    expected_sha256: Sha256Hex
    """Digest of what is recorded: envelope and body."""
    found_sha256: Sha256Hex
    """Digest of what arrived: envelope and body."""
