"""The bus as data: streams, consumers, key-value buckets, and what each service may do.

Everything else is derived from here: `provision` applies it, `permissions` renders it, `subscribe` takes its
consumers. Invariant: every consumer belongs to one service and reads one stream; a stream refuses new messages
when it is full (EV-02), so nothing old is ever dropped to make room.
"""

from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Final

from yoyaku.contracts.rpc import (
    OUTBOX_SERVICES,
    RPC_AUDIT_LOG_CHECKPOINT_V1,
    RPC_AUDIT_LOG_CONSISTENCY_V1,
    RPC_AUDIT_LOG_FILE_V1,
    RPC_AUDIT_LOG_FORGET_V1,
    RPC_AUDIT_LOG_SEAL_V1,
    RPC_AUDIT_LOG_SEARCH_V1,
    RPC_AUDIT_LOG_SEGMENTS_V1,
    RPC_AUDIT_LOG_SHOW_V1,
    RPC_AUDIT_LOG_STATUS_V1,
    RPC_AUDIT_LOG_VERIFY_V1,
    RPC_BACKUP_COORDINATOR_LIST_V1,
    RPC_BACKUP_COORDINATOR_RUN_V1,
    RPC_SECURITY_DETECTOR_COSIGNED_V1,
    RPC_SECURITY_DETECTOR_WITNESS_V1,
)
from yoyaku.contracts.subjects import outbox_resend_subject, outbox_status_subject

MEBIBYTE: Final = 1024 * 1024
DUPLICATE_WINDOW: Final = timedelta(seconds=120)
"""How long a stream recognises a `Nats-Msg-Id` it has stored before."""

ADVISORY_MAX_DELIVERIES: Final = "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES"
ADVISORY_TERMINATED: Final = "$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED"
DEAD_LETTER_PREFIX: Final = "dlq"


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """One stream on file storage with limits; `max_bytes` is reserved on the server's disk."""

    name: str
    subjects: tuple[str, ...]
    max_age: timedelta
    max_bytes: int
    description: str


@dataclass(frozen=True, slots=True)
class ConsumerSpec:
    """One durable pull consumer with explicit acks.

    `max_deliver` counts every delivery, crashes and shutdowns included, so it lies far above the attempts a
    handler gets. `max_ack_pending` counts what is delivered and not yet acknowledged, delayed retries included.
    `ack_wait_seconds` is how long a killed consumer's events wait for its successor: a living one says every third
    of it that it is still at work.
    """

    stream: str
    durable: str
    owner: str
    filter_subjects: tuple[str, ...]
    ack_wait_seconds: float = 10.0
    max_deliver: int = 25
    max_ack_pending: int = 5_000
    batch_size: int = 256

    @property
    def dead_letter_subject(self) -> str:
        """Name the only subject on which this consumer's owner may put dead letters of it."""
        return f"{DEAD_LETTER_PREFIX}.{self.stream}.{self.durable}"


@dataclass(frozen=True, slots=True)
class BucketSpec:
    """One key-value bucket, newest value a key, with a time to live per key.

    Each stored change is sent again on `changes_subject` with its sequence, so that any number of processes follow
    the bucket by a plain subscription and the right to read it, without a consumer each.
    """

    name: str
    max_bytes: int
    description: str

    @property
    def stream(self) -> str:
        """Name the stream that keeps the bucket."""
        return f"KV_{self.name}"

    @property
    def key_prefix(self) -> str:
        """Give what stands before a key in the subject it is written to."""
        return f"$KV.{self.name}."

    @property
    def changes_prefix(self) -> str:
        """Give what stands before a key in the subject its changes are told on."""
        return f"kv.{self.name}."

    @property
    def changes_subject(self) -> str:
        """Name the subject that carries every change of the bucket."""
        return f"{self.changes_prefix}>"


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """What one identity on the bus may do, and nothing else (EV-08)."""

    name: str
    publishes: tuple[str, ...] = ()
    consumes: tuple[ConsumerSpec, ...] = ()
    serves: tuple[str, ...] = ()
    requests: tuple[str, ...] = ()
    reads: tuple[BucketSpec, ...] = ()
    writes: tuple[BucketSpec, ...] = ()
    has_outbox: bool = True

    @property
    def inbox_prefix(self) -> str:
        """Give the prefix of the inboxes only this service may listen on."""
        return inbox_prefix(self.name)

    @property
    def streams(self) -> tuple[str, ...]:
        """Name the streams the service publishes to or reads from, in the order of `STREAMS`."""
        published = {name for name, spec in STREAMS.items() if set(spec.subjects) & set(self.publishes)}
        return tuple(name for name in STREAMS if name in published | {c.stream for c in self.consumes})


def inbox_prefix(identity: str) -> str:
    """Give the inbox prefix of an identity on the bus."""
    return f"_INBOX_{identity}"


BOOKING_STREAM: Final = StreamSpec(
    "BOOKING", ("booking.>",), timedelta(days=30), 1024 * MEBIBYTE, "Rooms and reservations."
)
IDENTITY_STREAM: Final = StreamSpec(
    "IDENTITY", ("identity.>",), timedelta(days=30), 1024 * MEBIBYTE, "People, sign-ins and refusals."
)
SECURITY_STREAM: Final = StreamSpec(
    "SECURITY", ("security.>",), timedelta(days=90), 256 * MEBIBYTE, "Incidents and blocks."
)
BACKUP_STREAM: Final = StreamSpec(
    "BACKUP", ("backup.>",), timedelta(days=90), 64 * MEBIBYTE, "Backup runs, sets and drills."
)
AUDIT_STREAM: Final = StreamSpec(
    "AUDIT", ("audit.>",), timedelta(days=90), 256 * MEBIBYTE, "Checkpoints, gaps and integrity of the audit log."
)
DEAD_LETTERS_STREAM: Final = StreamSpec(
    "DEAD_LETTERS",
    (f"{DEAD_LETTER_PREFIX}.>", f"{ADVISORY_MAX_DELIVERIES}.>", f"{ADVISORY_TERMINATED}.>"),
    timedelta(days=90),
    512 * MEBIBYTE,
    "What could not be handled, with its reason; advisories as the safety net.",
)

STREAMS: Final = MappingProxyType(
    {
        spec.name: spec
        for spec in (
            BOOKING_STREAM,
            IDENTITY_STREAM,
            SECURITY_STREAM,
            BACKUP_STREAM,
            AUDIT_STREAM,
            DEAD_LETTERS_STREAM,
        )
    }
)
EVENT_STREAMS: Final = tuple(name for name in STREAMS if name != DEAD_LETTERS_STREAM.name)


def _of_audit_log(stream: StreamSpec) -> ConsumerSpec:
    # Half of what an entry waits for are the round trips of its batch: twice the batch, a seventh more entries.
    return ConsumerSpec(stream.name, f"audit-log_{stream.name.lower()}", "audit-log", stream.subjects, batch_size=512)


AUDIT_LOG_BOOKING: Final = _of_audit_log(BOOKING_STREAM)
AUDIT_LOG_IDENTITY: Final = _of_audit_log(IDENTITY_STREAM)
AUDIT_LOG_SECURITY: Final = _of_audit_log(SECURITY_STREAM)
AUDIT_LOG_BACKUP: Final = _of_audit_log(BACKUP_STREAM)
AUDIT_LOG_AUDIT: Final = _of_audit_log(AUDIT_STREAM)
SECURITY_DETECTOR_IDENTITY: Final = ConsumerSpec(
    IDENTITY_STREAM.name, "security-detector_identity", "security-detector", IDENTITY_STREAM.subjects
)

CONSUMERS: Final = MappingProxyType(
    {
        spec.durable: spec
        for spec in (
            AUDIT_LOG_BOOKING,
            AUDIT_LOG_IDENTITY,
            AUDIT_LOG_SECURITY,
            AUDIT_LOG_BACKUP,
            AUDIT_LOG_AUDIT,
            SECURITY_DETECTOR_IDENTITY,
        )
    }
)

BLOCKS: Final = BucketSpec("blocks", 64 * MEBIBYTE, "Who is blocked until when; written by the security detector.")
DENIED_TOKENS: Final = BucketSpec("denied_tokens", 64 * MEBIBYTE, "Access tokens refused before they expire.")
BUCKETS: Final = MappingProxyType({spec.name: spec for spec in (BLOCKS, DENIED_TOKENS)})

_OF_THE_AUDIT_LOG: Final = (
    RPC_AUDIT_LOG_SEARCH_V1,
    RPC_AUDIT_LOG_SHOW_V1,
    RPC_AUDIT_LOG_CHECKPOINT_V1,
    RPC_AUDIT_LOG_CONSISTENCY_V1,
    RPC_AUDIT_LOG_FILE_V1,
    RPC_AUDIT_LOG_STATUS_V1,
)
_OF_THE_WITNESS: Final = (RPC_SECURITY_DETECTOR_WITNESS_V1, RPC_SECURITY_DETECTOR_COSIGNED_V1)


def _of_outbox(service: str) -> tuple[str, ...]:
    return outbox_status_subject(service), outbox_resend_subject(service)


_OF_THE_OUTBOXES: Final = tuple(subject for service in OUTBOX_SERVICES for subject in _of_outbox(service))

SERVICES: Final = MappingProxyType(
    {
        spec.name: spec
        for spec in (
            ServiceSpec(
                "booking",
                publishes=("booking.>", "identity.>"),
                serves=_of_outbox("booking"),
                requests=(*_OF_THE_AUDIT_LOG, RPC_BACKUP_COORDINATOR_RUN_V1, RPC_BACKUP_COORDINATOR_LIST_V1),
                reads=(BLOCKS, DENIED_TOKENS),
                writes=(DENIED_TOKENS,),
            ),
            ServiceSpec(
                "audit-log",
                publishes=("audit.>",),
                consumes=(AUDIT_LOG_BOOKING, AUDIT_LOG_IDENTITY, AUDIT_LOG_SECURITY, AUDIT_LOG_BACKUP, AUDIT_LOG_AUDIT),
                serves=(
                    *_OF_THE_AUDIT_LOG,
                    RPC_AUDIT_LOG_FORGET_V1,
                    RPC_AUDIT_LOG_VERIFY_V1,
                    RPC_AUDIT_LOG_SEAL_V1,
                    RPC_AUDIT_LOG_SEGMENTS_V1,
                    *_of_outbox("audit-log"),
                ),
                requests=(*_OF_THE_WITNESS, *_OF_THE_OUTBOXES),
            ),
            ServiceSpec(
                "security-detector",
                publishes=("security.>",),
                consumes=(SECURITY_DETECTOR_IDENTITY,),
                serves=(*_OF_THE_WITNESS, *_of_outbox("security-detector")),
                reads=(BLOCKS,),
                writes=(BLOCKS,),
            ),
            ServiceSpec(
                "backup-coordinator",
                publishes=("backup.>",),
                serves=(
                    RPC_BACKUP_COORDINATOR_RUN_V1,
                    RPC_BACKUP_COORDINATOR_LIST_V1,
                    *_of_outbox("backup-coordinator"),
                ),
            ),
        )
    }
)

PROVISIONER: Final = "provisioner"
OPERATOR: Final = "operator"
BUS_USERS: Final = (*SERVICES, PROVISIONER, OPERATOR)
"""Every identity on the bus; each has an nkey of its own."""
