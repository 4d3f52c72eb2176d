"""Facts about attacks and what was done against them."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from yoyaku.contracts.envelope import Event
from yoyaku.contracts.subjects import (
    SECURITY_BLOCK_EXPIRED_V1,
    SECURITY_BLOCK_IMPOSED_V1,
    SECURITY_INCIDENT_OPENED_V1,
)
from yoyaku.contracts.values import ClientAddress, Code, Identifier, Moment


class Severity(StrEnum):
    """How bad an incident is."""

    LOW = "low"
    """Worth knowing."""
    MEDIUM = "medium"
    """Somebody should look within the day."""
    HIGH = "high"
    """An attack, stopped."""
    CRITICAL = "critical"
    """An attack that may have succeeded."""


class BlockKind(StrEnum):
    """What a block refuses."""

    ADDRESS = "address"
    """Every request from one client address."""


class IncidentOpened(Event):
    """A rule fired."""

    TYPE: ClassVar[str] = SECURITY_INCIDENT_OPENED_V1

    incident_id: Identifier
    rule: Code
    rule_version: Annotated[int, Field(ge=1)]
    severity: Severity
    client_address: ClientAddress
    event_ids: tuple[Identifier, ...]
    """The events that made the rule fire, in order of their times."""
    opened_at: Moment


class BlockImposed(Event):
    """Something is refused by every gateway until `until`."""

    TYPE: ClassVar[str] = SECURITY_BLOCK_IMPOSED_V1

    block_id: Identifier
    incident_id: Identifier
    kind: BlockKind
    value: ClientAddress
    """What is refused: for an address its canonical text."""
    until: Moment
    reason: Code
    """The name of the rule that fired."""


class BlockExpired(Event):
    """A block ended because its time was over."""

    TYPE: ClassVar[str] = SECURITY_BLOCK_EXPIRED_V1

    block_id: Identifier
    kind: BlockKind
    value: ClientAddress
