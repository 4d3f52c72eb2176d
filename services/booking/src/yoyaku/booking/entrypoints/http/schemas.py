"""What the API takes and gives, as it stands in the OpenAPI document.

Invariant: input is strict and refuses unknown fields; another user's title never enters an output for a USER (ID-05).
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer, StringConstraints

from yoyaku.booking.domain.person import DISPLAY_NAME_LENGTH, Action, Person, Role, may
from yoyaku.booking.domain.reservation import COMMENT_LENGTH, TITLE_LENGTH, CancelReason, ReservationStatus
from yoyaku.booking.domain.room import BUFFER_LIMIT_MINUTES, CAPACITY_LIMIT, FEATURES_LIMIT, NAME_LENGTH, Room
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.ports import NewRoom, ReservationEntry

NO_CONTROL: Final = r"^[^\x00-\x1f\x7f-\x9f]*$"
NO_CONTROL_BUT_LINES: Final = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$"
INT32_MAX: Final = 2**31 - 1


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


InputTime = Annotated[AwareDatetime, Field(examples=["2026-04-01T09:00:00+09:00"])]
UtcTime = Annotated[datetime, PlainSerializer(_utc, return_type=str), Field(examples=["2026-04-01T00:00:00Z"])]
LocalTime = Annotated[datetime, Field(description="By the room's own clock.", examples=["2026-04-01T09:00:00+09:00"])]
Name = Annotated[str, StringConstraints(min_length=1, max_length=NAME_LENGTH, pattern=NO_CONTROL)]
RoomId = Annotated[int, Field(ge=1, le=INT32_MAX, examples=[1])]


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class _Output(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class LogInInput(_Input):
    """A user id and a password."""

    user_id: Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=NO_CONTROL)] = Field(
        examples=["hanako"]
    )
    password: Annotated[str, StringConstraints(min_length=1, max_length=1024)] = Field(examples=["a long passphrase"])


class AccessTokenOutput(_Output):
    """An access token (JWT, EdDSA) to send as `Authorization: Bearer`."""

    access_token: str
    token_type: str = "Bearer"  # noqa: S105  the name of the scheme
    expires_in: int
    """Seconds from now."""


class CreatePersonInput(_Input):
    """Somebody who is to sign in."""

    user_id: Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=NO_CONTROL)] = Field(
        examples=["hanako"]
    )
    display_name: Annotated[
        str, StringConstraints(min_length=1, max_length=DISPLAY_NAME_LENGTH, pattern=NO_CONTROL)
    ] = Field(examples=["山田 花子"])
    role: Role
    password: Annotated[str, StringConstraints(max_length=1024)] = Field(examples=["a long passphrase"])
    """12 to 128 characters, none of the often used ones."""


class PersonOutput(_Output):
    """Somebody who signs in."""

    id: UUID
    user_id: str
    display_name: str
    role: Role
    created_at: UtcTime

    @classmethod
    def of(cls, person: Person) -> Self:
        """Show a person to an ADMIN."""
        return cls(
            id=person.id,
            user_id=person.user_id,
            display_name=person.display_name,
            role=person.role,
            created_at=person.created_at,
        )


class CreateRoomInput(_Input):
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


class RoomOutput(_Output):
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


class RoomList(_Output):
    """A page of rooms by id; `Link` names the next one."""

    items: list[RoomOutput]


class PlaceReservationInput(_Input):
    """A room and a half-open interval on its 30-minute grid, at most 8 hours."""

    room_id: RoomId
    starts_at: InputTime
    ends_at: InputTime
    title: Annotated[str, StringConstraints(min_length=1, max_length=TITLE_LENGTH, pattern=NO_CONTROL)] = Field(
        examples=["Weekly review"]
    )


class CancelReservationInput(_Input):
    """Why a reservation is given up."""

    reason: CancelReason
    comment: Annotated[
        str | None, StringConstraints(max_length=COMMENT_LENGTH, pattern=NO_CONTROL_BUT_LINES), Field(default=None)
    ]
    """Required when an ADMIN cancels somebody else's."""


class CancellationOutput(_Output):
    """When and why a reservation was given up."""

    at: UtcTime
    by: UUID | None
    """Who; shown to the owner and to an ADMIN."""
    reason: CancelReason
    comment: str | None
    """Shown to the owner and to an ADMIN."""


class ReservationOutput(_Output):
    """A reservation. What is another user's own is null for a USER."""

    id: UUID
    room_id: RoomId
    person_id: UUID | None
    title: str | None
    status: ReservationStatus
    starts_at: UtcTime
    ends_at: UtcTime
    starts_at_local: LocalTime
    ends_at_local: LocalTime
    time_zone: str
    version: int
    created_at: UtcTime
    cancellation: CancellationOutput | None


class ReservationList(_Output):
    """A page of reservations by start; `Link` names the next one."""

    items: list[ReservationOutput]


def show_reservation(entry: ReservationEntry, caller: Caller) -> dict[str, Any]:
    """Show a reservation as `ReservationOutput`, without what the caller may not see.

    A plain mapping, because the path of a booking is hot; a test holds it against the model.
    """
    reservation = entry.reservation
    sees_all = reservation.person_id == caller.person_id or may(caller.role, Action.READ_ANY_TITLE)
    zone = entry.zone
    interval = reservation.interval
    cancellation = reservation.cancellation
    return {
        "id": str(reservation.id),
        "room_id": reservation.room_id,
        "person_id": str(reservation.person_id) if sees_all else None,
        "title": reservation.title if sees_all else None,
        "status": reservation.status.value,
        "starts_at": _utc(interval.starts_at),
        "ends_at": _utc(interval.ends_at),
        "starts_at_local": interval.starts_at.astimezone(zone).isoformat(),
        "ends_at_local": interval.ends_at.astimezone(zone).isoformat(),
        "time_zone": entry.time_zone,
        "version": reservation.version,
        "created_at": _utc(reservation.created_at),
        "cancellation": None
        if cancellation is None
        else {
            "at": _utc(cancellation.at),
            "by": str(cancellation.by) if sees_all else None,
            "reason": cancellation.reason.value,
            "comment": cancellation.comment if sees_all else None,
        },
    }


class FieldError(_Output):
    """One field that is not valid."""

    model_config = ConfigDict(frozen=True, extra="allow", use_attribute_docstrings=True)

    field: str
    code: str
    """Stable, for programs."""
    message: str
    """For people, in the language asked for."""


class ProblemOutput(_Output):
    """A refusal (RFC 9457). Further members may carry facts."""

    model_config = ConfigDict(frozen=True, extra="allow", use_attribute_docstrings=True)

    type: str = Field(examples=["urn:yoyaku:problem:room-already-reserved"])
    title: str
    status: int
    code: str = Field(examples=["room-already-reserved"])
    trace_id: str | None
    detail: str | None = None
    errors: list[FieldError] | None = None
