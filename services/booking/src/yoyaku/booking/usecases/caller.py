"""Who asks, and from where: what every use case needs to decide and to record."""

from dataclasses import dataclass
from uuid import UUID

from yoyaku.booking.domain.person import Role


@dataclass(frozen=True, slots=True)
class Caller:
    """A signed-in person. `client_address` is the socket's."""

    person_id: UUID
    role: Role
    client_address: str

    @property
    def actor(self) -> str:
        """The caller as events name actors."""
        return f"person/{self.person_id}"
