"""Cursors of lists that are sorted by start and id: opaque to callers, checked when they come back."""

import base64
import binascii
from datetime import UTC, datetime
from uuid import UUID

from yoyaku.booking.domain.errors import RuleBrokenError, Violation


def cursor_of(starts_at: datetime, id_: UUID) -> str:
    """Return the cursor of the place right after that start and id."""
    return base64.urlsafe_b64encode(f"{starts_at.isoformat()} {id_}".encode()).decode().rstrip("=")


def place_of(cursor: str | None) -> tuple[datetime, UUID] | None:
    """Return the start, in UTC, and the id after which to go on. Raises RuleBrokenError for what is no cursor."""
    if cursor is None:
        return None
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        starts_at, _, id_ = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii").partition(" ")
        moment = datetime.fromisoformat(starts_at)
        if moment.utcoffset() is not None:
            return moment.astimezone(UTC), UUID(id_)
    except (ValueError, OverflowError, binascii.Error):
        pass
    raise RuleBrokenError([Violation("cursor", "bad-cursor")])
