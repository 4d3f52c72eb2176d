"""Texts that people read, without what nobody can see.

Invariant: a text that is not empty here shows at least one letter, digit, sign or symbol.
"""

import unicodedata
from typing import Final

_FILLERS: Final = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and symbols by name that are drawn as nothing: the Hangul fillers and the empty Braille pattern."""


def visible_text(text: str) -> str:
    """Return the text without white space and invisible characters at both ends; empty when nothing would be seen.

    Joiners and direction marks inside stay, because scripts and emoji need them. Marks that only change the letter
    before them do not make a text visible.
    """
    seen = [index for index, character in enumerate(text) if not _is_empty(character)]
    if not any(unicodedata.category(text[index])[0] != "M" for index in seen):
        return ""
    return text[seen[0] : seen[-1] + 1]


def _is_empty(character: str) -> bool:
    category = unicodedata.category(character)
    # What is not assigned yet may be a sign that newer fonts know; the planes of tags and selectors never show.
    unseen = category[0] == "Z" or category in {"Cc", "Cf", "Cs"}
    return unseen or character in _FILLERS or "\U000e0000" <= character <= "\U000e0fff"
