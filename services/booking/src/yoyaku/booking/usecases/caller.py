"""Who asks, and from where: what every use case needs to decide and to record."""

from dataclasses import dataclass
from uuid import UUID

from yoyaku.booking.domain.person import Role


@dataclass(frozen=True, slots=True)
class Caller:
    """A signed-in person. `client_address` is the client's as the edge knows it."""

    person_id: UUID
    role: Role
    client_address: str
    user_agent: str | None = None
    session_id: UUID | None = None
    """The session of the access token."""
    token_id: str | None = None
    """The access token's `jti`."""
    token_expires_at: float = 0.0
    """When the access token is over, in seconds since the epoch."""

    @property
    def actor(self) -> str:
        """The caller as events name actors."""
        return f"person/{self.person_id}"
