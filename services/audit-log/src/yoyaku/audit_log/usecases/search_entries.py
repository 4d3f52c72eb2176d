"""Read the log page by page, by position."""

from dataclasses import replace

from yoyaku.audit_log.domain.entry import MAX_PAGE_BYTES, MAX_PAGE_ENTRIES, Page, Query
from yoyaku.audit_log.usecases.ports import Entries


class SearchEntries:
    """Find entries; any replica answers, since what is committed is a whole beginning of the log."""

    def __init__(self, entries: Entries) -> None:
        self._entries = entries

    async def __call__(self, query: Query) -> Page:
        """Return one page: at most MAX_PAGE_ENTRIES, cut where its bodies would grow past MAX_PAGE_BYTES."""
        limit = min(max(query.limit, 1), MAX_PAGE_ENTRIES)
        return await self._entries.find(replace(query, limit=limit), MAX_PAGE_BYTES)
