"""The access tokens that are refused though they have not expired, as one process knows them (ID-04, ID-06).

Invariant: a denial is never taken back, only forgotten once no token it could refuse is valid any more; of two
not-befores of a person the later one counts, in whatever order they arrive.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class DenialKind(StrEnum):
    """What is denied."""

    TOKEN = "token"  # noqa: S105  a kind, no token
    SESSION = "session"
    PERSON = "person"


@dataclass(frozen=True, slots=True)
class Denial:
    """Tokens that are refused: one, those of a session, or those of a person issued before a moment."""

    kind: DenialKind
    value: str
    until: datetime
    """From then on no such token is valid anyway."""
    not_before: datetime | None = None
    """Set for a person, and only then."""


class DeniedTokens:
    """Answers whether an access token is denied, from memory."""

    def __init__(self) -> None:
        self._tokens: dict[str, datetime] = {}
        self._sessions: dict[UUID, datetime] = {}
        self._people: dict[UUID, tuple[float, datetime]] = {}

    def __len__(self) -> int:
        return len(self._tokens) + len(self._sessions) + len(self._people)

    def put(self, denial: Denial) -> None:
        """Add a denial. Raises ValueError for one that names no token, session or person."""
        if denial.kind is DenialKind.TOKEN:
            self._tokens[denial.value] = denial.until
        elif denial.kind is DenialKind.SESSION:
            self._sessions[UUID(denial.value)] = denial.until
        elif denial.not_before is None:
            raise ValueError("a person's denial needs its not-before")
        else:
            person_id, not_before = UUID(denial.value), denial.not_before.timestamp()
            known = self._people.get(person_id)
            if known is None or known[0] < not_before:
                until = denial.until if known is None else max(known[1], denial.until)
                self._people[person_id] = (not_before, until)

    def refuses(self, *, token_id: str, session_id: UUID, person_id: UUID, issued_at: float) -> bool:
        """Say whether the token of these claims is denied; `issued_at` in seconds since the epoch."""
        if token_id in self._tokens or session_id in self._sessions:
            return True
        known = self._people.get(person_id)
        return known is not None and issued_at < known[0]

    def forget_over(self, now: datetime) -> None:
        """Forget the denials that no valid token is left for."""
        self._tokens = {key: until for key, until in self._tokens.items() if until > now}
        self._sessions = {key: until for key, until in self._sessions.items() if until > now}
        self._people = {key: kept for key, kept in self._people.items() if kept[1] > now}
