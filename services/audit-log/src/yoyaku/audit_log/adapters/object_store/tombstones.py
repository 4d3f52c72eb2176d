"""Who was forgotten, as objects beside the sealed months: `forgotten/<environment>/<SHA-256 of the reference>`.

An object holds the reference alone, so that writing it again writes the same bytes.
"""

from collections.abc import Sequence
from hashlib import sha256

from yoyaku.audit_log.usecases.archive_ports import Archive, ArchiveError
from yoyaku.audit_log.usecases.forget import TombstonesAwayError


class ArchivedTombstones:
    """Tombstones in the object store."""

    def __init__(self, archive: Archive, environment: str) -> None:
        self._archive = archive
        self._folder = f"forgotten/{environment}/"

    async def put(self, key_reference: str) -> None:
        """Keep it for ever; nothing happens when it is kept. Raises TombstonesAwayError."""
        try:
            await self._archive.put_once(self._name(key_reference), f"{key_reference}\n".encode())
        except ArchiveError as away:
            raise TombstonesAwayError(str(away)) from away

    async def missing_of(self, forgotten: Sequence[str]) -> Sequence[str]:
        """Return the references that are kept and not among these. Raises TombstonesAwayError."""
        known = {self._name(reference) for reference in forgotten}
        try:
            names = [name async for name in self._archive.names(self._folder) if name not in known]
            return [(await self._archive.read(name)).decode("utf-8", "replace").strip() for name in names]
        except ArchiveError as away:
            raise TombstonesAwayError(str(away)) from away

    def _name(self, key_reference: str) -> str:
        return f"{self._folder}{sha256(key_reference.encode()).hexdigest()}"


class NoTombstones:
    """A log without an object store: a restore brings keys back, as the runbook says."""

    async def put(self, key_reference: str) -> None:
        """Keep nothing."""

    async def missing_of(self, forgotten: Sequence[str]) -> Sequence[str]:
        """Know nobody."""
        return ()
