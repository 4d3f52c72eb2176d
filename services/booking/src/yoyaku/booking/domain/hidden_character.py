"""Whether a text shows people what it is: no control characters, nothing that is there and not seen.

Invariant: joiners are let through only where writing needs them, between two characters that are seen.
"""

import unicodedata
from typing import Final

_JOINERS: Final = frozenset("\u200c\u200d")
"""Zero-width (non-)joiner: emoji families, Persian and Indic scripts are written with them."""
_BLANKS: Final = frozenset("\u00ad\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\u2028\u2029")
"""Letters and marks that look like nothing."""
_HIDDEN_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})


def hidden_character(text: str) -> str | None:
    """Return the first character that is not seen as `U+XXXX`; None when all of them are."""
    if text.isascii() and text.isprintable():
        return None
    for index, character in enumerate(text):
        if character in _JOINERS:
            if _is_seen(text[index - 1 : index]) and _is_seen(text[index + 1 : index + 2]):
                continue
        elif character not in _BLANKS and unicodedata.category(character) not in _HIDDEN_CATEGORIES:
            continue
        return f"U+{ord(character):04X}"
    return None


def _is_seen(character: str) -> bool:
    return bool(character) and character not in _BLANKS and unicodedata.category(character)[0] in "LMNPS"
