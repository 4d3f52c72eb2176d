"""Event ids: UUIDv7 (RFC 9562), so that ids made later sort later and stay near each other in an index."""

import uuid_utils


def new_event_id() -> str:
    """Return a fresh UUIDv7 as lower-case text with hyphens; within one process each is greater than the one before."""
    return str(uuid_utils.uuid7())
