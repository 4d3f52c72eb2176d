"""Every text by its code.

Invariant: every code has both languages and stands in one module only; the two classic Japanese texts stay exactly as
they are.
"""

from collections.abc import Mapping
from typing import Final, TypeVar

from yoyaku.booking.entrypoints.http.texts import calendars, gateway, identity, reservations, rooms
from yoyaku.booking.entrypoints.http.texts.language import Text

_Entry = TypeVar("_Entry")


def _all(*parts: Mapping[str, _Entry]) -> Mapping[str, _Entry]:
    together = {code: entry for part in parts for code, entry in part.items()}
    if len(together) != sum(map(len, parts)):
        raise ValueError("a code has its text in two modules")
    return together


PROBLEM_TEXTS: Final[Mapping[str, Mapping[str, Text]]] = _all(
    calendars.PROBLEMS, gateway.PROBLEMS, identity.PROBLEMS, rooms.PROBLEMS, reservations.PROBLEMS
)
"""Title and detail of each problem, by code and language."""

FIELD_TEXTS: Final[Mapping[str, Mapping[str, str]]] = _all(
    gateway.FIELDS, identity.FIELDS, rooms.FIELDS, reservations.FIELDS
)
"""What is wrong with a field, by code and language."""
