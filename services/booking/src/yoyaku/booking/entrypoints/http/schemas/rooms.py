"""Rooms."""

from typing import Annotated, Self

from pydantic import Field, StringConstraints

from yoyaku.booking.domain.room import BUFFER_LIMIT_MINUTES, CAPACITY_LIMIT, FEATURES_LIMIT, Room
from yoyaku.booking.entrypoints.http.schemas.fields import NO_CONTROL, Input, Name, Output, RoomId
from yoyaku.booking.usecases.ports.rooms import NewRoom


class CreateRoomInput(Input):
    """A room that is to be booked."""

    name: Name = Field(examples=["Fuji"])
    site: Name = Field(examples=["Tokyo"])
    capacity: Annotated[int, Field(ge=1, le=CAPACITY_LIMIT)] = Field(examples=[8])
    time_zone: Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=NO_CONTROL)] = Field(
        examples=["Asia/Tokyo"]
    )
    """IANA name."""
    features: Annotated[list[Name], Field(max_length=FEATURES_LIMIT)] = Field(
        default_factory=list, examples=[["projector"]]
    )
    buffer_before_minutes: Annotated[int, Field(ge=0, le=BUFFER_LIMIT_MINUTES)] = 0
    """Minutes kept free before each reservation."""
    buffer_after_minutes: Annotated[int, Field(ge=0, le=BUFFER_LIMIT_MINUTES)] = 0
    """Minutes kept free after each reservation."""

    def wanted(self) -> NewRoom:
        """Return what the use case takes."""
        return NewRoom(
            name=self.name,
            site=self.site,
            capacity=self.capacity,
            time_zone=self.time_zone,
            features=tuple(self.features),
            buffer_before_minutes=self.buffer_before_minutes,
            buffer_after_minutes=self.buffer_after_minutes,
        )


class RoomOutput(Output):
    """A room."""

    id: RoomId
    name: str
    site: str
    capacity: int
    time_zone: str
    features: tuple[str, ...]
    buffer_before_minutes: int
    buffer_after_minutes: int
    active: bool

    @classmethod
    def of(cls, room: Room) -> Self:
        """Show a room."""
        return cls(
            id=room.id,
            name=room.name,
            site=room.site,
            capacity=room.capacity,
            time_zone=room.time_zone,
            features=room.features,
            buffer_before_minutes=room.buffer_before_minutes,
            buffer_after_minutes=room.buffer_after_minutes,
            active=room.active,
        )


class RoomList(Output):
    """A page of rooms by id; `Link` names the next one."""

    items: list[RoomOutput]
