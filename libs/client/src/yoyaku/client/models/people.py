"""People."""

from datetime import datetime

from pydantic import SecretStr

from yoyaku.client.models.answer import Answer, Versioned


class Person(Versioned):
    """Somebody who signs in."""

    id: str
    user_id: str
    display_name: str
    role: str
    disabled: bool = False
    created_at: datetime | None = None


class PasswordReset(Answer):
    """The generated password, which is told once; None when one was given."""

    password: SecretStr | None = None
