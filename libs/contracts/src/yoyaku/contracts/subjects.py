"""The subjects of the bus, written once.

An event's subject is its type: past tense, versioned, no ids in it. Its first word, in capitals, names its stream.
"""

from typing import Final

BOOKING_ROOM_CREATED_V1: Final = "booking.room.created.v1"
"""A room can be booked from now on."""

BOOKING_RESERVATION_CONFIRMED_V1: Final = "booking.reservation.confirmed.v1"
"""A reservation was accepted and holds its room."""

BOOKING_RESERVATION_CANCELLED_V1: Final = "booking.reservation.cancelled.v1"
"""A reservation was given up; its interval is free again."""

BOOKING_RESERVATION_RESCHEDULED_V1: Final = "booking.reservation.rescheduled.v1"
"""A reservation moved to another time or room, or got another title."""

BOOKING_RESERVATION_RESTORED_V1: Final = "booking.reservation.restored.v1"
"""A cancelled reservation holds its room again."""

BOOKING_ROOM_CHANGED_V1: Final = "booking.room.changed.v1"
"""What is fixed about a room changed."""

BOOKING_ROOM_CLOSED_V1: Final = "booking.room.closed.v1"
"""A room takes no bookings over an interval."""

BOOKING_ROOM_RETIRED_V1: Final = "booking.room.retired.v1"
"""A room takes no bookings any more."""

BOOKING_CALENDAR_PUBLISHED_V1: Final = "booking.calendar.published.v1"
"""Reservations can be read under a secret address from now on."""

BOOKING_CALENDAR_REVOKED_V1: Final = "booking.calendar.revoked.v1"
"""A secret address says nothing any more."""

IDENTITY_PERSON_CREATED_V1: Final = "identity.person.created.v1"
"""A person may sign in from now on."""

IDENTITY_LOGIN_SUCCEEDED_V1: Final = "identity.login.succeeded.v1"
"""A person signed in."""

IDENTITY_LOGIN_FAILED_V1: Final = "identity.login.failed.v1"
"""A sign-in was refused."""

IDENTITY_ACCESS_DENIED_V1: Final = "identity.access.denied.v1"
"""A signed-in person asked for what their role or ownership does not allow."""

IDENTITY_PERSON_CHANGED_V1: Final = "identity.person.changed.v1"
"""What is known of a person, or the password, changed."""

IDENTITY_PERSON_DISABLED_V1: Final = "identity.person.disabled.v1"
"""A person may not sign in any more."""

IDENTITY_TOKEN_REFRESHED_V1: Final = "identity.token.refreshed.v1"  # noqa: S105  a subject
"""A session got fresh tokens."""

IDENTITY_TOKEN_REUSED_V1: Final = "identity.token.reused.v1"  # noqa: S105  a subject
"""A refresh token that was used before came again: somebody has a copy."""

IDENTITY_SESSION_REVOKED_V1: Final = "identity.session.revoked.v1"
"""A session was ended before its time."""

IDENTITY_REQUEST_THROTTLED_V1: Final = "identity.request.throttled.v1"
"""Requests were refused because there were too many."""

IDENTITY_KEY_ROTATED_V1: Final = "identity.key.rotated.v1"
"""Access tokens are signed with another key from a given moment."""

IDENTITY_KEY_REVOKED_V1: Final = "identity.key.revoked.v1"
"""Access tokens signed with a key are refused from now on."""

SECURITY_INCIDENT_OPENED_V1: Final = "security.incident.opened.v1"
"""A rule fired."""

SECURITY_BLOCK_IMPOSED_V1: Final = "security.block.imposed.v1"
"""An address is refused by every gateway until a given moment."""

SECURITY_BLOCK_EXPIRED_V1: Final = "security.block.expired.v1"
"""A block ended because its time was over."""

BACKUP_RUN_STARTED_V1: Final = "backup.run.started.v1"
"""A backup began."""

BACKUP_RUN_COMPLETED_V1: Final = "backup.run.completed.v1"
"""A backup was taken and its manifest checked."""

BACKUP_RUN_FAILED_V1: Final = "backup.run.failed.v1"
"""A backup ended without a usable result."""

AUDIT_INTEGRITY_VIOLATED_V1: Final = "audit.integrity.violated.v1"
"""What arrived contradicts what the audit log holds."""

AUDIT_CHECKPOINT_SIGNED_V1: Final = "audit.checkpoint.signed.v1"
"""The audit log vouches for its first entries, up to a size."""

AUDIT_CHECKPOINT_COSIGNED_V1: Final = "audit.checkpoint.cosigned.v1"
"""A witness confirms that a checkpoint extends what it saw before."""

AUDIT_EPOCH_OPENED_V1: Final = "audit.epoch.opened.v1"
"""A new tree begins, because the database went back to before a checkpoint that a witness knows."""

AUDIT_SEGMENT_SEALED_V1: Final = "audit.segment.sealed.v1"
"""A month of entries stands in the archive, read back and verified."""

AUDIT_SEGMENT_DELETED_V1: Final = "audit.segment.deleted.v1"
"""A sealed month was deleted because its time is over."""

AUDIT_GAP_FOUND_V1: Final = "audit.gap.found.v1"
"""Events that a producer numbered did not arrive."""

AUDIT_GAP_CLOSED_V1: Final = "audit.gap.closed.v1"
"""Events that were missing arrived."""

AUDIT_COMPLETENESS_STATED_V1: Final = "audit.completeness.stated.v1"
"""Up to which number of each source everything is recorded."""

AUDIT_PERSON_FORGOTTEN_V1: Final = "audit.person.forgotten.v1"
"""The key of a data subject was destroyed; what it sealed says nothing any more."""

AUDIT_LOG_READ_V1: Final = "audit.log.read.v1"
"""Somebody read the audit log."""

AUDIT_LOG_VERIFIED_V1: Final = "audit.log.verified.v1"
"""The audit log was verified against its checkpoints."""

RPC_AUDIT_LOG_SEARCH_V1: Final = "rpc.audit-log.search.v1"
"""Ask the audit log for entries."""

RPC_BACKUP_COORDINATOR_RUN_V1: Final = "rpc.backup-coordinator.run.v1"
"""Ask for a backup now."""

RPC_BACKUP_COORDINATOR_LIST_V1: Final = "rpc.backup-coordinator.list.v1"
"""Ask which backups there are."""

RPC_AUDIT_LOG_SHOW_V1: Final = "rpc.audit-log.show.v1"
"""Ask the audit log for one entry with its proof."""

RPC_AUDIT_LOG_CHECKPOINT_V1: Final = "rpc.audit-log.checkpoint.v1"
"""Ask the audit log for its newest checkpoint."""

RPC_AUDIT_LOG_CONSISTENCY_V1: Final = "rpc.audit-log.consistency.v1"
"""Ask the audit log for the proof that one size extends another."""

RPC_AUDIT_LOG_FILE_V1: Final = "rpc.audit-log.file.v1"
"""Ask the audit log for one file of its tlog-tiles layout."""

RPC_AUDIT_LOG_FORGET_V1: Final = "rpc.audit-log.forget.v1"
"""Ask the audit log to destroy the key of a data subject."""

RPC_AUDIT_LOG_STATUS_V1: Final = "rpc.audit-log.status.v1"
"""Ask the audit log how it stands: epochs, keys, completeness, sealed months, verification."""

RPC_AUDIT_LOG_VERIFY_V1: Final = "rpc.audit-log.verify.v1"
"""Ask the audit log to verify itself now."""

RPC_AUDIT_LOG_SEAL_V1: Final = "rpc.audit-log.seal.v1"
"""Ask the audit log to seal its closed months, and delete what is over, now."""

RPC_AUDIT_LOG_SEGMENTS_V1: Final = "rpc.audit-log.segments.v1"
"""Ask the audit log which months are sealed."""

RPC_SECURITY_DETECTOR_WITNESS_V1: Final = "rpc.security-detector.witness.v1"
"""Ask the witness to cosign: C2SP tlog-witness add-checkpoint."""

RPC_SECURITY_DETECTOR_COSIGNED_V1: Final = "rpc.security-detector.cosigned.v1"
"""Ask the witness for the newest checkpoint that it cosigned."""

WAKE_OUTBOX_PREFIX: Final = "wake.outbox"
"""What a service's relays listen to so that they need not wait for their poll."""

KV_BLOCKS: Final = "blocks"
"""The KV bucket of the blocks in force (see `yoyaku.contracts.blocks`)."""

KV_DENIED_TOKENS: Final = "denied_tokens"
"""The KV bucket of the access tokens refused before they expire (see `yoyaku.contracts.denials`)."""


def outbox_status_subject(service: str) -> str:
    """Name the question how far a service numbered its events."""
    return f"rpc.{service}.outbox-status.v1"


def outbox_resend_subject(service: str) -> str:
    """Name the wish that a service publishes events of its outbox again."""
    return f"rpc.{service}.outbox-resend.v1"


def wake_subject(service: str) -> str:
    """Name the subject that wakes the outbox relays of a service."""
    return f"{WAKE_OUTBOX_PREFIX}.{service}"


def stream_of(subject: str) -> str:
    """Name the stream that keeps an event's subject: its first word, in capitals."""
    return subject.partition(".")[0].upper()
