"""What the gateways watch: blocks in the KV bucket `blocks`.

The detector writes them, with a TTL; every gateway process keeps them in memory and lets them end by its own clock
at `until` too. Invariant: the same thing blocked has the same key, whoever computes it.
"""

import base64

from pydantic import BaseModel, ConfigDict, ValidationError

from yoyaku.contracts.security_v1 import BlockKind
from yoyaku.contracts.subjects import KV_BLOCKS
from yoyaku.contracts.values import ClientAddress, Code, Identifier, Moment, canonical_address

__all__ = ["KV_BLOCKS", "BlockKind", "BlockValue", "InvalidBlockError", "kv_key"]


class InvalidBlockError(ValueError):
    """A value in the bucket is no block."""


class BlockValue(BaseModel):
    """A block in force. Frozen; unknown fields are ignored, so that the detector may be newer than a gateway."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    kind: BlockKind
    value: ClientAddress
    """What is refused: for an address its canonical text."""
    until: Moment
    """The first moment at which it is not refused any more."""
    reason: Code
    rule: Code
    """The rule that fired."""
    incident_id: Identifier
    block_id: Identifier

    def to_bytes(self) -> bytes:
        """Write it as the value of a key."""
        return self.model_dump_json().encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "BlockValue":
        """Read the value of a key. Raises InvalidBlockError."""
        try:
            return cls.model_validate_json(data)
        except ValidationError as invalid:
            raise InvalidBlockError(str(invalid.error_count())) from None


def kv_key(kind: str, value: str) -> str:
    """Name the key of a block: unpadded base64url of `kind:value`, since KV refuses `:` in keys.

    An address is brought to its canonical form first.
    """
    canonical = canonical_address(value) if kind == BlockKind.ADDRESS else value
    return base64.urlsafe_b64encode(f"{kind}:{canonical}".encode()).rstrip(b"=").decode()
