"""Show one entry: what it says, the bytes that the tree holds, and a proof that goes with them anywhere."""

from dataclasses import dataclass
from typing import Final

from yoyaku.audit_log.domain.search import ShownEntry
from yoyaku.audit_log.usecases.every_entry import EveryEntry
from yoyaku.audit_log.usecases.reader_ports import NotFoundError, Published, Read, Reader, Reads, Tiles
from yoyaku.audit_log.usecases.show_entries import ShowEntries
from yoyaku.tlog.note import parse_note
from yoyaku.tlog.proof import LogProof

MAX_BESIDE_BYTES: Final = 512 * 1024
"""A larger body is read as a file, in parts."""


@dataclass(frozen=True, slots=True)
class EntryWithProof:
    """One entry. `proof` is a C2SP tlog-proof whose `extra` line is the leaf; None until a checkpoint covers it."""

    entry: ShownEntry
    epoch: int
    proof: str | None


class ShowEntry:
    """Finds an entry by position or event id."""

    def __init__(
        self, entries: EveryEntry, show: ShowEntries, reads: Reads, published: Published, tiles: Tiles
    ) -> None:
        self._entries = entries
        self._show = show
        self._reads = reads
        self._published = published
        self._tiles = tiles

    async def __call__(self, reader: Reader, *, position: int | None, event_id: str | None) -> EntryWithProof:
        """Return the entry. Raises NotFoundError, ReadNotRecordedError, IncompleteTreeError."""
        wanted = f"position {position}" if position is not None else f"event {event_id}"
        if event_id is not None and position is None:
            position = await self._entries.position_of(event_id)
        stored = None if position is None else await self._entries.at(position, MAX_BESIDE_BYTES)
        if stored is None:
            raise NotFoundError(f"the log has no entry for {wanted}, or no longer has it")
        proof = await self._proof(stored.epoch, stored.position, stored.leaf)
        filters = {"event_id": event_id} if event_id is not None else {"position": str(stored.position)}
        subject = f"entry/{stored.position}"
        await self._reads.record(Read(reader.name, "show", subject, filters, [stored.position], reader.client_address))
        return EntryWithProof((await self._show([stored]))[0], stored.epoch, proof)

    async def _proof(self, epoch: int, position: int, leaf: bytes) -> str | None:
        published = await self._published.epoch(epoch)
        if published is None or position - published.first_position >= published.size:
            return None
        index = position - published.first_position
        hashes = await self._tiles.inclusion_proof(epoch, index, published.size)
        return LogProof(index, tuple(hashes), parse_note(published.note), leaf).encode().decode()
