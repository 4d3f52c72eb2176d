"""Facts about the audit log itself."""

from typing import Annotated, ClassVar

from pydantic import Field

from yoyaku.contracts.envelope import Event
from yoyaku.contracts.personal import Personal
from yoyaku.contracts.subjects import (
    AUDIT_CHECKPOINT_COSIGNED_V1,
    AUDIT_CHECKPOINT_SIGNED_V1,
    AUDIT_COMPLETENESS_STATED_V1,
    AUDIT_EPOCH_OPENED_V1,
    AUDIT_GAP_CLOSED_V1,
    AUDIT_GAP_FOUND_V1,
    AUDIT_INTEGRITY_VIOLATED_V1,
    AUDIT_LOG_READ_V1,
    AUDIT_LOG_VERIFIED_V1,
    AUDIT_PERSON_FORGOTTEN_V1,
    AUDIT_SEGMENT_DELETED_V1,
    AUDIT_SEGMENT_SEALED_V1,
)
from yoyaku.contracts.values import Actor, Code, Identifier, Moment, Sha256Hex

Source = Annotated[str, Field(min_length=1, max_length=200)]
Number = Annotated[int, Field(ge=0)]
Count = Annotated[int, Field(ge=0)]
Epoch = Annotated[int, Field(ge=1)]
Origin = Annotated[str, Field(min_length=1, max_length=200)]
NoteText = Annotated[str, Field(min_length=1, max_length=20_000)]
Month = Annotated[str, Field(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$")]


class IntegrityViolated(Event):
    """What arrived contradicts what the audit log holds."""

    TYPE: ClassVar[str] = AUDIT_INTEGRITY_VIOLATED_V1

    kind: Code
    """What contradicts. What arrived: `content_changed`, `event_id_reused` (same id, another fact), `number_reused`
    (same source and number, another fact). What verification found: `entry_edited`, `entry_missing`, `entry_inserted`,
    `entry_moved`, `entry_back_dated`, `columns_edited`, `tile_rewritten`, `log_truncated`, `checkpoint_forked`,
    `checkpoint_refused` (by a witness), `archive_damaged`."""
    event_id: Identifier
    source: Annotated[str, Field(min_length=1, max_length=200)]
    number: Annotated[int, Field(ge=0)]
    expected_sha256: Sha256Hex
    """Digest of what is recorded: envelope and body; of verification the hash that the tree vouches for."""
    found_sha256: Sha256Hex
    """Digest of what arrived: envelope and body; of verification the hash of what is there."""
    position: Annotated[int, Field(ge=0)] | None = None
    """The first bad entry, when verification found it; then `source` and `number` are the entry's as far as known."""
    detail: Annotated[str, Field(max_length=1000)] | None = None
    """What verification found, for people."""


class CheckpointSigned(Event):
    """The audit log vouches for the first `size` entries of an epoch."""

    TYPE: ClassVar[str] = AUDIT_CHECKPOINT_SIGNED_V1

    epoch: Epoch
    origin: Origin
    size: Count
    root_sha256: Sha256Hex
    signed_at: Moment


class CheckpointCosigned(Event):
    """A witness confirms that a checkpoint extends every one that it cosigned before."""

    TYPE: ClassVar[str] = AUDIT_CHECKPOINT_COSIGNED_V1

    epoch: Epoch
    origin: Origin
    size: Count
    root_sha256: Sha256Hex
    witness: Annotated[str, Field(min_length=1, max_length=200)]
    """The name of the witness's key."""
    cosigned_at: Moment


class EpochOpened(Event):
    """A new tree begins at `first_position`; the first entry of an epoch after the first."""

    TYPE: ClassVar[str] = AUDIT_EPOCH_OPENED_V1

    epoch: Epoch
    origin: Origin
    first_position: Count
    previous_checkpoint: NoteText
    """The newest cosigned checkpoint of the epoch before, whole: the database no longer holds all it vouches for."""
    abandoned_size: Count
    """How many entries of the epoch before the database still holds."""
    abandoned_root_sha256: Sha256Hex
    """The root of the tree over them."""


class SegmentSealed(Event):
    """A month of entries stands in the archive, read back and verified; it leaves the database."""

    TYPE: ClassVar[str] = AUDIT_SEGMENT_SEALED_V1

    epoch: Epoch
    month: Month
    """UTC, of the time of recording."""
    first_position: Count
    entry_count: Count
    size: Count
    """The size of the checkpoint that vouches for it."""
    root_sha256: Sha256Hex
    stored_bytes: Count


class SegmentDeleted(Event):
    """A sealed month was deleted because its seven years are over; the hashes of its entries stay."""

    TYPE: ClassVar[str] = AUDIT_SEGMENT_DELETED_V1

    epoch: Epoch
    month: Month
    first_position: Count
    entry_count: Count


class GapFound(Event):
    """Events that a producer numbered did not arrive; those that it may still have are asked for again."""

    TYPE: ClassVar[str] = AUDIT_GAP_FOUND_V1

    source: Source
    first_number: Number
    last_number: Number
    reason: Code
    """`missing` (later numbers arrived), `unsent` (the producer says it published them, and nothing later arrived),
    `source_went_back` (they are recorded, and the producer counts from an older number), `lost_at_source` (the producer
    no longer has them; told beside an earlier reason)."""


class GapClosed(Event):
    """Events that were missing are missing no more; a gap may close piece by piece."""

    TYPE: ClassVar[str] = AUDIT_GAP_CLOSED_V1

    source: Source
    first_number: Number
    last_number: Number
    resolution: Code
    """`arrived`, or, of a source that went back, `caught_up`: it counts past these numbers again, and what it gave them
    to now contradicts what is recorded."""


class CompletenessStated(Event):
    """Everything that the named sources numbered, up to the number beside each, is recorded, or named as lost."""

    TYPE: ClassVar[str] = AUDIT_COMPLETENESS_STATED_V1

    complete_to: Annotated[dict[str, int], Field(max_length=2000)]
    """The number by source; sources that are as they were at the last statement are left out."""
    lost: Annotated[dict[str, int], Field(max_length=2000)]
    """How many of these numbers are lost at the source, by source; sources without a loss are left out."""
    open_gaps: Count
    """Gaps that may still close."""


class PersonForgotten(Event):
    """The key of a data subject was destroyed."""

    TYPE: ClassVar[str] = AUDIT_PERSON_FORGOTTEN_V1

    key_reference: Annotated[str, Field(min_length=1, max_length=200)]
    """`person/<id>` or `client/<digest>`."""
    requested_by: Actor


class LogRead(Event):
    """Somebody read entries of the audit log."""

    TYPE: ClassVar[str] = AUDIT_LOG_READ_V1

    reader: Actor
    kind: Code
    """`search`, `show`, `story`, `entries_file`."""
    filters: Annotated[dict[str, str], Field(max_length=50), Personal()]
    """What was looked for."""
    entry_count: Count
    first_position: Count | None = None
    last_position: Count | None = None


class LogVerified(Event):
    """The audit log was verified against its checkpoints."""

    TYPE: ClassVar[str] = AUDIT_LOG_VERIFIED_V1

    scope: Code
    """`rolling` (what was recorded lately) or `whole`."""
    first_position: Count
    entry_count: Count
    damaged: Annotated[int, Field(ge=0)]
    """How many findings; each has an event of its own."""
    duration_seconds: Annotated[float, Field(ge=0)]
