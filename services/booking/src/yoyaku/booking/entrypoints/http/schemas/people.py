"""People."""

from typing import Annotated, Self
from uuid import UUID

from pydantic import Field, StringConstraints

from yoyaku.booking.domain.person import DISPLAY_NAME_LENGTH, Person, Role
from yoyaku.booking.entrypoints.http.schemas.fields import NO_CONTROL, Input, Output, UtcTime

_DisplayName = Annotated[str, StringConstraints(min_length=1, max_length=DISPLAY_NAME_LENGTH, pattern=NO_CONTROL)]
_Password = Annotated[str, StringConstraints(max_length=1024)]


class CreatePersonInput(Input):
    """Somebody who is to sign in."""

    user_id: Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=NO_CONTROL)] = Field(
        examples=["hanako"]
    )
    display_name: _DisplayName = Field(examples=["山田 花子"])
    role: Role
    password: _Password = Field(examples=["a long passphrase"])
    """12 to 128 characters, none of the often used ones."""


class ChangePersonInput(Input):
    """What is to be another; what is left out stays."""

    display_name: _DisplayName | None = Field(default=None, examples=["佐藤 花子"])
    role: Role | None = None
    """Another role ends the person's sessions."""


class ResetPasswordInput(Input):
    """The new password, or nothing to have one generated."""

    password: _Password | None = Field(default=None, examples=["a long passphrase"])
    """12 to 128 characters, none of the often used ones."""


class ResetPasswordOutput(Output):
    """What was set."""

    password: str | None = None
    """The generated password, shown this once; null when it was given."""


class ChangePasswordInput(Input):
    """The own password, old and new."""

    current_password: Annotated[str, StringConstraints(min_length=1, max_length=1024)] = Field(
        examples=["a long passphrase"]
    )
    new_password: _Password = Field(examples=["another long passphrase"])
    """12 to 128 characters, none of the often used ones."""


class PersonOutput(Output):
    """Somebody who signs in."""

    id: UUID
    user_id: str = Field(examples=["hanako"])
    display_name: str = Field(examples=["山田 花子"])
    role: Role
    created_at: UtcTime
    disabled_at: UtcTime | None
    """Since when the person may not sign in."""
    version: int
    """What the `ETag` says."""

    @classmethod
    def of(cls, person: Person) -> Self:
        """Show a person to an ADMIN, or to themselves."""
        return cls(
            id=person.id,
            user_id=person.user_id,
            display_name=person.display_name,
            role=person.role,
            created_at=person.created_at,
            disabled_at=person.disabled_at,
            version=person.version,
        )


class PersonList(Output):
    """A page of people by user id; `Link` names the next one."""

    items: list[PersonOutput]
