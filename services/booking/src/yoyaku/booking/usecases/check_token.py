"""Say who an access token speaks for, unless it was denied (ID-01, ID-04).

Invariant: a denial is looked up in memory only; a token that was seen before waits for nothing.
"""

from dataclasses import dataclass

from yoyaku.booking.domain.denials import DeniedTokens
from yoyaku.booking.domain.errors import TokenDeniedError
from yoyaku.booking.usecases.ports.sign_in import Principal, Tokens


@dataclass(frozen=True, slots=True)
class CheckToken:
    """Checks access tokens."""

    tokens: Tokens
    denied: DeniedTokens

    async def __call__(self, token: str) -> Principal:
        """Return who the token speaks for. Raises NotAuthenticatedError, TokenDeniedError among them."""
        principal = await self.tokens.check(token)
        if self.denied.refuses(
            token_id=principal.token_id,
            session_id=principal.session_id,
            person_id=principal.person_id,
            issued_at=principal.issued_at,
        ):
            raise TokenDeniedError
        return principal
