"""The questions about the audit log, its witness, and the outboxes that it compares itself with."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from yoyaku.contracts.rpc_models import RpcReply, RpcRequest
from yoyaku.contracts.values import Actor, ClientAddress, Moment

FilterText = Annotated[str, Field(min_length=1, max_length=512, pattern=r"^[^\x00]*$")]
"""What an attribute of an entry can be; a longer one, or one with a NUL character, is in no entry."""
AskedFrom = ClientAddress | None


class AuditResult(StrEnum):
    """How what an entry tells ended."""

    SUCCEEDED = "succeeded"
    """It was done."""
    REFUSED = "refused"
    """Somebody was not let."""
    FAILED = "failed"
    """It went wrong."""


class AuditLogSearchRequest(RpcRequest):
    """Which entries to read, in order of their positions. Every given condition must hold."""

    requested_by: Actor
    """Who reads."""
    asked_from: AskedFrom = None
    """The reader's client address; recorded with the read."""
    after_position: Annotated[int, Field(ge=-1, lt=2**63 - 1)] = -1
    """Read on after this position; -1 starts at the first."""
    up_to_position: Annotated[int, Field(ge=-1, le=2**63 - 1)] | None = None
    """Nothing after this position: what the first page answered, so that a reading of all pages ends, although each
    page that is read becomes an entry itself."""
    limit: Annotated[int, Field(ge=1, le=500)] = 100
    actor: FilterText | None = None
    subject: FilterText | None = None
    type: FilterText | None = None
    correlation_id: FilterText | None = None
    event_id: FilterText | None = None
    client_address: FilterText | None = None
    """Only what came from this address; entries of a forgotten person are not found by it."""
    result: AuditResult | None = None
    occurred_from: Moment | None = None
    """Facts at this moment or later."""
    occurred_before: Moment | None = None
    """Facts before this moment."""
    recorded_from: Moment | None = None
    """Entries recorded at this moment or later."""
    recorded_before: Moment | None = None
    """Entries recorded before this moment."""
    newest_first: bool = False
    """Read backwards: then `after_position` is left out (-1) for the newest page, and pages go down from it."""
    kind: Annotated[str, Field(pattern=r"^(search|story)$")] = "search"
    """What the reader calls it; it is recorded with the read."""


class AuditEntry(RpcReply):
    """One recorded fact. What was unreadable has its envelope's fields empty and its bytes in `opaque_body`."""

    position: int
    """Zero-based and gap-free."""
    event_id: str | None
    source: str | None
    number: int | None
    type: str | None
    occurred_at: datetime | None
    recorded_at: Moment
    actor: str | None
    subject: str | None
    correlation_id: str | None
    causation_id: str | None
    client_address: str | None
    """None too when the person was forgotten; then `forgotten` says so."""
    result: AuditResult | None = None
    forgotten: tuple[str, ...] = ()
    """JSON pointers of the fields whose key was destroyed, such as `/client_address`; in `body` they are null."""
    body: dict[str, Any] | None
    """The event's body, when it is a JSON object."""
    opaque_body: str | None = None
    """The bytes in base64, when they are not."""
    body_sha256: str | None = None
    """Names a body too large for the entry's own bytes: the file `bodies/<sha256>`; `body` is then left out when it is
    too large for an answer."""


class AuditLogSearchReply(RpcReply):
    """Entries in order of their positions."""

    entries: tuple[AuditEntry, ...]
    next_after_position: int | None
    """What to ask with for the next page; none at the end."""
    up_to_position: int
    """The last position of this reading: the newest entry when it began; -1 for an empty log."""


class AuditLogShowRequest(RpcRequest):
    """Which entry to show whole; exactly one of the two."""

    requested_by: Actor
    asked_from: AskedFrom = None
    event_id: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\x00]*$")] | None = None
    position: Annotated[int, Field(ge=0, le=2**63 - 1)] | None = None


class AuditLogShowReply(RpcReply):
    """One entry, the bytes that the tree holds, and their proof."""

    entry: AuditEntry
    leaf: str
    """The stored bytes in base64."""
    epoch: int
    proof: str | None
    """A self-contained proof file (docs/api/audit-formats.md) against the newest checkpoint; none while no checkpoint
    covers the entry yet (at most a second)."""


class AuditLogCheckpointRequest(RpcRequest):
    """Of which epoch; the newest when left out."""

    epoch: Annotated[int, Field(ge=1, lt=2**31)] | None = None


class AuditLogCheckpointReply(RpcReply):
    """The newest checkpoint with the cosignatures that it has so far."""

    epoch: int
    origin: str
    size: int
    note: str


class AuditLogConsistencyRequest(RpcRequest):
    """Prove that the tree of `new_size` extends the tree of `old_size`."""

    epoch: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    old_size: Annotated[int, Field(ge=0)]
    new_size: Annotated[int, Field(ge=0)]


class AuditLogConsistencyReply(RpcReply):
    """The hashes of RFC 6962 section 2.1.2, in base64."""

    epoch: int
    proof: tuple[str, ...]


class AuditLogFileRequest(RpcRequest):
    """One file of the layout: `checkpoint`, `checkpoints/<size>`, `tile/...`, `tile/entries/...`, `bodies/<sha256>`."""

    requested_by: Actor
    asked_from: AskedFrom = None
    path: Annotated[str, Field(min_length=1, max_length=200)]
    epoch: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    offset: Annotated[int, Field(ge=0)] = 0
    """A file may be larger than an answer: read on from here."""


class AuditLogFileReply(RpcReply):
    """A part of the file's bytes."""

    content: str
    """In base64."""
    size_bytes: int
    """Of the whole file."""
    is_immutable: bool
    """Whether the file will never be another."""


class AuditLogForgetRequest(RpcRequest):
    """Destroy the key of a data subject."""

    requested_by: Actor
    key_reference: Annotated[str, Field(min_length=1, max_length=200)]
    """`person/<id>`, or `address/<client address>` for one that belongs to no person."""


class AuditLogForgetReply(RpcReply):
    """What was destroyed."""

    key_reference: str
    was_known: bool
    """Whether there was a key; it is recorded and remembered for restores either way."""


class AuditLogStatusRequest(RpcRequest):
    """How the audit log stands."""


class AuditLogStatusReply(RpcReply):
    """Counts for people and dashboards; each part is filled by the part of the service that knows it."""

    next_position: int
    epoch: int
    origin: str
    verifier_keys: tuple[str, ...]
    """The log's own keys of this epoch (vkey)."""
    witness_keys: tuple[str, ...]
    checkpoint_size: int
    cosigned_size: int | None
    parts: dict[str, Any]
    """`completeness`, `sealing`, `verification`: JSON objects."""


class AuditLogVerifyRequest(RpcRequest):
    """Verify now."""

    requested_by: Actor
    whole: bool = False


class AuditLogVerifyReply(RpcReply):
    """What verification found."""

    first_position: int
    entry_count: int
    findings: tuple[dict[str, Any], ...]
    duration_seconds: float


class AuditLogSealRequest(RpcRequest):
    """Seal every closed month now, and delete what is over."""

    requested_by: Actor
    last_month: Annotated[str, Field(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$")] | None = None
    """Go no further than this month; all closed ones when left out."""


class AuditLogSealReply(RpcReply):
    """How far it is; asked again while it is running."""

    is_running: bool
    sealed: tuple[str, ...] = ()
    """Months that this run wrote, verified and recorded."""
    dropped: tuple[str, ...] = ()
    """Months whose entries left the database."""
    deleted: tuple[str, ...] = ()
    """Months whose deletion was recorded."""
    expunged: tuple[str, ...] = ()
    """Deleted months whose files are gone."""
    waiting: tuple[str, ...] = ()
    """Closed months that wait, and for what."""
    problem: str | None = None
    """What ended the run early; it is tried again within the hour."""


class AuditLogSegmentsRequest(RpcRequest):
    """Which months are sealed."""


class AuditLogSegment(RpcReply):
    """One sealed month of one epoch."""

    month: str
    epoch: int
    first_position: int
    entry_count: int
    checkpoint_size: int
    stored_bytes: int
    sealed_at: Moment
    deleted_at: Moment | None = None
    """Since when it is deleted, by a recorded fact."""


class AuditLogSegmentsReply(RpcReply):
    """All segments in order of position."""

    segments: tuple[AuditLogSegment, ...]


class WitnessRequest(RpcRequest):
    """The request of C2SP tlog-witness `POST /add-checkpoint`."""

    body: Annotated[str, Field(max_length=100_000)]


class WitnessReply(RpcReply):
    """The answer of C2SP tlog-witness."""

    status: int
    content_type: str
    body: str


class CosignedRequest(RpcRequest):
    """Of which log."""

    origin: Annotated[str, Field(min_length=1, max_length=200)]


class CosignedReply(RpcReply):
    """The newest checkpoint that the witness cosigned."""

    note: str | None
    """The checkpoint with the log's and the witness's signatures; none when the witness does not know the log yet."""


class OutboxStatusRequest(RpcRequest):
    """How far a service numbered its events."""


class OutboxShardStatus(RpcReply):
    """One shard."""

    source: str
    last_number: int
    """The last number given out."""
    published_number: int
    """The stream has acknowledged every number up to this one."""
    first_waiting_number: int | None
    """The first number after those that the outbox has; none when it has none. Where numbers were given out that it has
    not, publishing stands still before them."""
    oldest_kept_number: int | None
    """The first number that can still be asked for; none when nothing is kept."""


class OutboxStatusReply(RpcReply):
    """Every shard that has numbered something."""

    shards: tuple[OutboxShardStatus, ...]


class OutboxResendRequest(RpcRequest):
    """Publish events again, as they were, with a fresh `Nats-Msg-Id`; at most 500 numbers a request."""

    requested_by: Actor
    source: Annotated[str, Field(min_length=1, max_length=200)]
    first_number: Annotated[int, Field(ge=1)]
    last_number: Annotated[int, Field(ge=1)]


class OutboxResendReply(RpcReply):
    """What was published again."""

    resent_count: int
    published_number: int
    """How far the shard was published; later numbers come by themselves and are neither resent nor lost."""
    lost_numbers: tuple[int, ...]
    """Numbers up to that one that the outbox no longer has."""
