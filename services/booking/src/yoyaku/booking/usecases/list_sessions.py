"""Where the caller is signed in."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from yoyaku.booking.domain.person import Action
from yoyaku.booking.domain.session import Session
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.check_permission import CheckPermission
from yoyaku.booking.usecases.ports.chance import Clock
from yoyaku.booking.usecases.ports.reads import Reads

MOST_SHOWN: Final = 100


@dataclass(frozen=True, slots=True)
class ListSessions:
    """Lists the caller's own live sessions."""

    reads: Reads
    check_permission: CheckPermission
    now: Clock

    async def __call__(self, caller: Caller) -> Sequence[Session]:
        """Return at most the hundred used last. Raises NotPermittedError."""
        await self.check_permission(caller, Action.READ_SELF)
        return await self.reads.sessions(caller.person_id, self.now(), limit=MOST_SHOWN)
