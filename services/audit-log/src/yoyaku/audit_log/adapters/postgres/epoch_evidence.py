"""What the database says of its own epochs: numbers, and what was signed and recorded in the newest."""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from yoyaku.audit_log.domain.epochs import Stated, epoch_of, known_checkpoint
from yoyaku.audit_log.domain.new_entry import Epoch
from yoyaku.postgres.pool import Connection
from yoyaku.tlog.errors import TlogError
from yoyaku.tlog.keys import VerifierKey

KeysOf = Callable[[str], Sequence[VerifierKey]]
"""The public keys of all that ever signed, under the name of an origin."""

# Rows that refer to an epoch may be left over from one whose row was changed: a new epoch must not take their number.
_NUMBERS: Final = """
SELECT epoch::bigint AS number, origin FROM audit_epoch
UNION ALL SELECT epoch, split_part(left(note, 300), E'\\n', 1) FROM audit_checkpoint_latest
UNION ALL SELECT number, '' FROM audit_recorded WHERE source = $1
UNION ALL SELECT max(epoch), '' FROM audit_checkpoint WHERE epoch < 1000000000
UNION ALL SELECT max(epoch), '' FROM audit_tile WHERE epoch < 1000000000
UNION ALL SELECT max(epoch), '' FROM audit_segment WHERE epoch < 1000000000
"""
_NOTES: Final = """
SELECT note FROM (
    (SELECT size, note FROM audit_checkpoint_latest WHERE epoch = $1)
    UNION ALL (SELECT size, note FROM audit_checkpoint WHERE epoch = $1 ORDER BY size DESC LIMIT 1000)
) AS signed ORDER BY size DESC
"""
_FIRST_ENTRY: Final = "SELECT leaf FROM audit_entry WHERE position = $1 AND source = $2"


async def numbers(connection: Connection, source: str) -> frozenset[int]:
    """Return every number of an epoch that stands anywhere; `source` is that of the epochs' first entries."""
    rows = await connection.fetch(_NUMBERS, source)
    named = {_number_in(row["origin"]) for row in rows}
    return frozenset({*(row["number"] for row in rows if row["number"] is not None), *named} - {0})


async def stated(connection: Connection, epoch: Epoch, source: str, keys_of: KeysOf) -> Stated:
    """Return what the database says of its newest epoch, beside its row."""
    notes = [row["note"] for row in await connection.fetch(_NOTES, epoch.number)]
    origins = {note.partition("\n")[0][:300] for note in notes}
    leaf = await connection.fetchval(_FIRST_ENTRY, epoch.first_position, source)
    if leaf is not None:
        origins.add(_origin_in(leaf))
    return Stated(await numbers(connection, source), frozenset(origins), _is_signed(notes[:1], epoch.origin, keys_of))


def _is_signed(notes: Iterable[str], origin: str, keys_of: KeysOf) -> bool:
    try:
        return any(known_checkpoint(note, origin, keys_of(origin), "the database") for note in notes)
    except (TlogError, ValueError):
        return False


def _origin_in(leaf: bytes) -> str:
    try:
        return str(json.loads(leaf)["body"]["origin"])[:300]
    except (ValueError, KeyError, TypeError):
        return "an entry that cannot be read"


def _number_in(origin: str) -> int:
    try:
        return epoch_of(origin)
    except ValueError:
        return 0
