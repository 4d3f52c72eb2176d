"""What a caller has seen of the thing that is to be changed.

Invariant: a change that was built on another version than the stored one is refused, so nobody overwrites unseen.
"""

from dataclasses import dataclass
from typing import Final

from yoyaku.booking.domain.errors import StaleVersionError


@dataclass(frozen=True, slots=True)
class ExpectedVersion:
    """The versions that would do; None means that any will."""

    versions: frozenset[int] | None

    def check(self, current: int) -> None:
        """Return when the stored version is one of those. Raises StaleVersionError."""
        if self.versions is not None and current not in self.versions:
            raise StaleVersionError(current)


ANY_VERSION: Final = ExpectedVersion(None)
"""The caller changes whatever is there."""
