"""The languages spoken, and the choice between them."""

import re
from typing import Final, NamedTuple

ENGLISH: Final = "en"
JAPANESE: Final = "ja"
LANGUAGES: Final = (ENGLISH, JAPANESE)


class Text(NamedTuple):
    """A problem's title and detail in one language; facts stand in braces."""

    title: str
    detail: str


_RANGE: Final = re.compile(r"\s*([A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*|\*)\s*(?:;\s*q\s*=\s*([01](?:\.\d{0,3})?))?\s*")


def negotiate(accept_language: str | None) -> str:
    """Choose the language that an Accept-Language header wants most; English when it says nothing (RFC 9110 12.5.4)."""
    if not accept_language:
        return ENGLISH
    best, best_quality = ENGLISH, 0.0
    for part in accept_language[:500].split(","):
        match = _RANGE.fullmatch(part)
        if match is None:
            continue
        language = ENGLISH if match[1] == "*" else match[1].partition("-")[0].lower()
        quality = float(match[2] or 1)
        if language in LANGUAGES and quality > best_quality:
            best, best_quality = language, quality
    return best
