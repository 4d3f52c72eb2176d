"""Sealed months for those who read the log: the archive behind the port that readers ask."""

import json
from collections.abc import Sequence
from typing import Final, Protocol, cast

from yoyaku.audit_log.domain.result import Result
from yoyaku.audit_log.domain.search import Found, Query, StoredEntry, fitting
from yoyaku.audit_log.usecases.archive_ports import ArchiveDamagedError, SealedQuery
from yoyaku.audit_log.usecases.read_sealed import FoundLeaf, PositionsAmong, ReadSealed

_NAMES_A_BODY: Final = b'"body_sha256":"'


class SealedKeys(Protocol):
    """What the database still knows of sealed entries and no index of the archive does."""

    async def position_of(self, event_id: str) -> int | None:
        """Say where an event is recorded."""

    async def from_address(self, client_address: str, first_position: int, end_position: int) -> frozenset[int]:
        """Return the positions of a range that came from an address in canonical form."""


class DamageReports(Protocol):
    """Who is told of damage to the archive."""

    async def report_damage(self, damage: ArchiveDamagedError) -> None:
        """Tell `audit.integrity.violated.v1`, kind `archive_damaged`: once for each object and state of it."""


class ArchiveEntries:
    """Every sealed month, as SealedEntries. Damage is reported, and raised as ArchiveDamagedError."""

    def __init__(self, reader: ReadSealed, keys: SealedKeys, reports: DamageReports) -> None:
        self._reader = reader
        self._keys = keys
        self._reports = reports

    async def find(self, query: Query, below: int, max_bytes: int) -> Found:
        """Return what the archive has of a page, of positions under `below`."""
        filters = query.filters
        among: list[PositionsAmong] = []
        if filters.event_id is not None:
            position = await self._keys.position_of(filters.event_id)
            among.append(_only(position))
        if filters.client_address is not None:
            among.append(_from_address(self._keys, filters.client_address))
        asked = SealedQuery(
            limit=query.limit,
            lowest=query.lowest,
            highest=below - 1 if query.highest is None else min(query.highest, below - 1),
            newest_first=query.newest_first,
            actor=filters.actor,
            subject=filters.subject,
            type=filters.type,
            correlation_id=filters.correlation_id,
            result=filters.result,
            occurred_from=filters.occurred_from,
            occurred_before=filters.occurred_before,
            recorded_from=filters.recorded_from,
            recorded_before=filters.recorded_before,
        )
        try:
            found, has_more = await self._reader.find(asked, max_bytes, among)
            entries = [await self._entry(one, max_bytes) for one in found]
        except ArchiveDamagedError as damage:
            await self._reports.report_damage(damage)
            raise
        page = fitting(entries, query.limit, max_bytes)
        return Found(page, has_more or len(page) < len(entries))

    async def at(self, position: int, max_beside_bytes: int) -> StoredEntry | None:
        """Return one entry; None when it is not, or no longer, in the archive."""
        try:
            found, _ = await self._reader.find(SealedQuery(limit=1, lowest=position, highest=position), 1)
            return await self._entry(found[0], max_beside_bytes) if found else None
        except ArchiveDamagedError as damage:
            await self._reports.report_damage(damage)
            raise

    async def leaves(self, first_position: int, count: int) -> Sequence[bytes]:
        """Return the leaves from a position on, as far as the archive holds them."""
        try:
            return [one.leaf for one in await self._reader.leaves(first_position, count)]
        except ArchiveDamagedError as damage:
            await self._reports.report_damage(damage)
            raise

    async def body(self, sha256: bytes) -> bytes | None:
        """Return a body that stood beside its leaf."""
        try:
            return await self._reader.body(sha256)
        except ArchiveDamagedError as damage:
            await self._reports.report_damage(damage)
            raise

    async def _entry(self, found: FoundLeaf, max_beside_bytes: int) -> StoredEntry:
        beside = None
        if _NAMES_A_BODY in found.leaf:
            members = json.loads(found.leaf)
            if "body_sha256" in members and members["body_size_bytes"] <= max_beside_bytes:
                beside = await self._reader.body(bytes.fromhex(members["body_sha256"]))
        place = found.place
        result = cast("Result | None", place.result)
        return StoredEntry(place.position, place.recorded_at, found.epoch, found.leaf, result, beside)


def _only(position: int | None) -> PositionsAmong:
    async def among(first_position: int, end_position: int) -> frozenset[int]:
        return (
            frozenset() if position is None or not first_position <= position < end_position else frozenset({position})
        )

    return among


def _from_address(keys: SealedKeys, client_address: str) -> PositionsAmong:
    async def among(first_position: int, end_position: int) -> frozenset[int]:
        return await keys.from_address(client_address, first_position, end_position)

    return among
