"""Calendar feeds."""

from datetime import datetime

from pydantic import SecretStr

from yoyaku.client.models.answer import Answer


class Calendar(Answer):
    """A read-only iCalendar feed; its address is the secret, and is told once."""

    id: str
    kind: str
    room_id: int | None = None
    url: SecretStr | None = None
    created_at: datetime | None = None
