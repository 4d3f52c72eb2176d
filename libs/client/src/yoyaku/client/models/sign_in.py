"""Signing in: tokens, and the places where somebody is signed in."""

from datetime import datetime

from pydantic import SecretStr

from yoyaku.client.models.answer import Answer


class Tokens(Answer):
    """What a sign-in or a refresh gives; never shown by repr."""

    access_token: SecretStr
    expires_in: int
    """Seconds from now."""
    refresh_token: SecretStr | None = None
    refresh_expires_in: int | None = None
    """Seconds from now."""


class OpenSession(Answer):
    """One place where the caller is signed in."""

    id: str
    created_at: datetime
    last_used_at: datetime | None = None
    expires_at: datetime | None = None
    current: bool = False
    client_address: str | None = None
