"""Read the log page by page, by position, in either direction; who read what is recorded first."""

from dataclasses import replace

from yoyaku.audit_log.domain.search import MAX_PAGE_BYTES, MAX_PAGE_ENTRIES, Page, Query
from yoyaku.audit_log.usecases.every_entry import EveryEntry
from yoyaku.audit_log.usecases.reader_ports import Read, Reader, Reads
from yoyaku.audit_log.usecases.show_entries import ShowEntries


class SearchEntries:
    """Find entries; any replica answers, since what is committed is a whole beginning of the log."""

    def __init__(self, entries: EveryEntry, show: ShowEntries, reads: Reads) -> None:
        self._entries = entries
        self._show = show
        self._reads = reads

    async def __call__(self, query: Query, reader: Reader, kind: str = "search") -> Page:
        """Return one page: at most MAX_PAGE_ENTRIES, cut where it would grow past MAX_PAGE_BYTES.

        Entries recorded after the reading began (`Page.up_to`) are no part of it when the next page names it as
        `highest`: so reading the log ends, although each page read is an entry soon. Raises ReadNotRecordedError.
        """
        bounded = replace(query, limit=min(max(query.limit, 1), MAX_PAGE_ENTRIES))
        found = await self._entries.find(bounded, MAX_PAGE_BYTES)
        up_to = found.next_position - 1 if query.highest is None else min(query.highest, found.next_position - 1)
        subject = f"story/{query.filters.correlation_id}" if kind == "story" else "entries"
        read = Read(
            reader.name,
            kind,
            subject,
            query.filters.told(),
            [entry.position for entry in found.entries],
            reader.client_address,
        )
        await self._reads.record(read)
        shown = await self._show(found.entries)
        return Page(shown, shown[-1].position if shown and found.has_more else None, up_to)
