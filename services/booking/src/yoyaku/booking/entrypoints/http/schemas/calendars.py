"""Calendar feeds."""

from typing import Literal, Self
from uuid import UUID

from pydantic import Field

from yoyaku.booking.domain.calendar_feed import CalendarFeed, FeedKind
from yoyaku.booking.entrypoints.http.schemas.fields import Input, Output, RoomId, UtcTime


class PublishCalendarInput(Input):
    """What a calendar program is to read."""

    kind: FeedKind
    """`mine` shows the own reservations with their titles, `room` when one room is held."""
    room_id: RoomId | None = None
    """The room of a feed of kind `room`."""
    language: Literal["en", "ja"] | None = None
    """What the feed itself speaks; else what `Accept-Language` asks for."""


class CalendarOutput(Output):
    """A calendar feed, without its address."""

    id: UUID
    kind: FeedKind
    room_id: int | None
    language: str = Field(examples=["en"])
    created_at: UtcTime

    @classmethod
    def of(cls, feed: CalendarFeed) -> Self:
        """Show a feed to its owner."""
        return cls(id=feed.id, kind=feed.kind, room_id=feed.room_id, language=feed.language, created_at=feed.created_at)


class PublishedCalendarOutput(CalendarOutput):
    """A calendar feed that was just made."""

    url: str = Field(
        examples=["https://yoyaku.example/api/v1/calendars/fB3sT0Zq4S0e0iYF0uVgqk6mJm2v3qvJYy0mC6mYb1U.ics"]
    )
    """The address for the calendar program. It is a secret, and it is not shown again."""


class CalendarList(Output):
    """The own calendar feeds, oldest first."""

    items: list[CalendarOutput]
