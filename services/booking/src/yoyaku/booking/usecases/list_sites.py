"""List the sites that have rooms."""

from collections.abc import Sequence
from dataclasses import dataclass

from yoyaku.booking.domain.person import Action
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.check_permission import CheckPermission
from yoyaku.booking.usecases.ports.reads import Reads
from yoyaku.booking.usecases.ports.rooms import Site


@dataclass(frozen=True, slots=True)
class ListSites:
    """Reads the sites: a site is what its rooms say."""

    reads: Reads
    check_permission: CheckPermission

    async def __call__(self, caller: Caller) -> Sequence[Site]:
        """Return every site by name, with how many rooms it has in use. Raises NotPermittedError."""
        await self.check_permission(caller, Action.LIST_ROOMS)
        return await self.reads.sites()
