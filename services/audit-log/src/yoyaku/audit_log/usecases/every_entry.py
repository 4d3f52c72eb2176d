"""All entries, wherever they are: those in the database, and those of sealed months in the archive.

This is the one place where the archive is asked. Invariant: no entry is missed while a month is moved, since the
database is read first, and what left it before that is in the archive.
"""

from collections.abc import Sequence
from dataclasses import replace

from yoyaku.audit_log.domain.search import HotFound, Query, StoredEntry, fitting
from yoyaku.audit_log.usecases.reader_ports import HotEntries, SealedEntries


class EveryEntry:
    """Both sources as one."""

    def __init__(self, hot: HotEntries, sealed: SealedEntries) -> None:
        self._hot = hot
        self._sealed = sealed

    async def find(self, query: Query, max_bytes: int) -> HotFound:
        """Return a page, at most `query.limit` entries that hold `max_bytes` together; one entry always fits."""
        hot = await self._hot.find(query, max_bytes)
        reaches_down = query.lowest < hot.first_position
        if not reaches_down or (query.newest_first and hot.has_more):
            return hot
        room = query.limit - len(hot.entries) if query.newest_first else query.limit
        if room == 0:
            return replace(hot, has_more=True)
        sealed = await self._sealed.find(replace(query, limit=room), hot.first_position, max_bytes)
        first, then = (hot, sealed) if query.newest_first else (sealed, hot)
        together = [*first.entries] if first.has_more else [*first.entries, *then.entries]
        page = fitting(together, query.limit, max_bytes)
        has_more = sealed.has_more or hot.has_more or len(page) < len(sealed.entries) + len(hot.entries)
        return replace(hot, entries=page, has_more=has_more)

    async def at(self, position: int, max_beside_bytes: int) -> StoredEntry | None:
        """Return one entry, with the body beside it when it is not larger than that; None when it is nowhere."""
        found = await self._hot.at(position, max_beside_bytes)
        return found or await self._sealed.at(position, max_beside_bytes)

    async def position_of(self, event_id: str) -> int | None:
        """Say where an event is recorded."""
        return await self._hot.position_of(event_id)

    async def leaves(self, first_position: int, count: int) -> Sequence[bytes]:
        """Return `count` leaves from a position on; fewer only where neither source has the rest."""
        hot = await self._hot.leaves(first_position, count)
        if len(hot) == count:
            return hot
        # The boundary of a month may go through the middle: what the database holds of it is the end.
        return [*await self._sealed.leaves(first_position, count - len(hot)), *hot]

    async def body(self, sha256: bytes) -> bytes | None:
        """Return a body that stands beside its leaf."""
        return await self._hot.body(sha256) or await self._sealed.body(sha256)
