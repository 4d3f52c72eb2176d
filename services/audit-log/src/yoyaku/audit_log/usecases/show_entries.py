"""Open what was sealed, for a reader: personal fields in clear while their keys exist."""

from collections.abc import Sequence

from yoyaku.audit_log.domain.leaf import Leaf, MalformedLeafError
from yoyaku.audit_log.domain.search import ShownEntry, StoredEntry
from yoyaku.audit_log.usecases.reader_ports import Unsealer


class ShowEntries:
    """Makes entries readable."""

    def __init__(self, unsealer: Unsealer) -> None:
        self._unsealer = unsealer

    async def __call__(self, entries: Sequence[StoredEntry]) -> list[ShownEntry]:
        """Return the entries in the same order; bytes that are no leaf are shown as bytes, and stop nothing."""
        leaves = [_leaf(entry) for entry in entries]
        wanted = {field.key_reference for leaf in leaves if leaf is not None for field in leaf.sealed_fields}
        open_field = await self._unsealer.opener(wanted)
        shown = []
        for entry, leaf in zip(entries, leaves, strict=True):
            try:
                event = None if leaf is None else leaf.event(open_field)
            except MalformedLeafError:
                event = None
            digest = None if leaf is None else leaf.members.get("body_sha256")
            shown.append(
                ShownEntry(
                    entry.position,
                    entry.recorded_at,
                    entry.result,
                    event,
                    entry.leaf,
                    digest if isinstance(digest, str) else None,
                )
            )
        return shown


def _leaf(entry: StoredEntry) -> Leaf | None:
    try:
        leaf = Leaf(entry.leaf, entry.beside)
        leaf.sealed_fields  # noqa: B018 - it refuses sealed values that are odd
    except MalformedLeafError:
        return None
    return leaf
