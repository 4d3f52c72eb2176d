"""Open a session, or go on with one: an access token and the refresh token that follows it.

Invariant: an access token's `iat` is never before the not-before of its person as the issuing transaction sees it,
whatever the clocks of the processes say.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from yoyaku.booking.domain.person import Person
from yoyaku.booking.domain.session import RefreshToken, Session, SessionRules, digest_of
from yoyaku.booking.usecases.ports.chance import NewSecret
from yoyaku.booking.usecases.ports.sign_in import AccessToken, Tokens


@dataclass(frozen=True, slots=True)
class SignedIn:
    """What a person gets who signed in or refreshed."""

    access: AccessToken
    refresh_token: str
    refresh_expires_in_seconds: int


@dataclass(frozen=True, slots=True)
class Issued:
    """What is to be stored, and what is to be handed out once that is committed."""

    session: Session
    token: RefreshToken
    handed_out: SignedIn


@dataclass(frozen=True, slots=True)
class IssueTokens:
    """Makes tokens; stores nothing."""

    tokens: Tokens
    new_secret: NewSecret
    rules: SessionRules

    def open(self, person: Person, session_id: UUID, client_address: str, now: datetime) -> Issued:
        """Return a new session with its tokens; the person must be held."""
        ends_at = now + self.rules.greatest_age
        fresh = Session(session_id, person.id, now, now, ends_at, ends_at, now, client_address)
        return self.renew(person, fresh, client_address, now)

    def renew(self, person: Person, session: Session, client_address: str, now: datetime) -> Issued:
        """Return the session with its next tokens; person and session must be held."""
        issued_at = max(now, person.not_before or now)
        access = self.tokens.issue(person, session.id, issued_at)
        expires_at = self.rules.expiry(now, session.ends_at)
        text = self.new_secret()
        digest = digest_of(text)
        assert digest is not None  # our own secrets are short and ASCII
        renewed = replace(
            session,
            last_used_at=issued_at,
            expires_at=expires_at,
            access_until=max(session.access_until, access.expires_at),
            client_address=client_address,
        )
        seconds = int((expires_at - now).total_seconds())
        return Issued(renewed, RefreshToken(digest, session.id, now, expires_at), SignedIn(access, text, seconds))
