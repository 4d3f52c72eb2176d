"""People."""

from typing import Annotated, Self
from uuid import UUID

from pydantic import Field, StringConstraints

from yoyaku.booking.domain.person import DISPLAY_NAME_LENGTH, Person, Role
from yoyaku.booking.entrypoints.http.schemas.fields import NO_CONTROL, Input, Output, UtcTime


class CreatePersonInput(Input):
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


class PersonOutput(Output):
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
