"""What may never be written down: passwords, tokens, keys, cookies and the titles of reservations.

Invariant: every log record, span and health output passes through here before it reaches a sink. A field is judged by
its name; text (messages, exceptions, reprs) is searched for `name=value` in its usual spellings and for values that
give themselves away. Too much is removed rather than too little.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from pydantic import SecretBytes, SecretStr

REDACTED: Final = "[redacted]"

_MAX_DEPTH: Final = 6

_WORDS: Final = (
    r"password|passwd|passphrase|pwd|secret|token|authori[sz]ation|cookie|credential|api[_-]?key|private[_-]?key|"
    r"signing[_-]?key|jwt|bearer|nkey|title"
)
_KEY: Final = rf"[\w-]*(?:{_WORDS})[\w-]*"
_QUOTED: Final = r"[bfru]{0,2}(?:\"(?:\\.|[^\"\\])*\"?|'(?:\\.|[^'\\])*'?)"
_BARE: Final = r"(?!\[redacted\])(?:bearer\s+|basic\s+)?[^\s,;&)}\]\"']+"

_FORBIDDEN_FIELD: Final = re.compile(_WORDS, re.IGNORECASE)

_HINT: Final = re.compile(
    rf"{_WORDS}|eyJ|basic\s|://|PRIVATE|AGE-SECRET|\bS[UAONCX][A-Z2-7]{{20}}|input_value=|row contains|Key \(", re.I
)
"""One cheap search that clears nearly every line, so that the patterns below run on the few others."""

_PATTERNS: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), REDACTED),
    (re.compile(r"\beyJ[\w-]{4,}\.[\w-]{4,}(?:\.[\w-]*)*"), REDACTED),
    (re.compile(r"\bAGE-SECRET-KEY-[\w-]+", re.IGNORECASE), REDACTED),
    (re.compile(r"\bS[UAONCX][A-Z2-7]{56}\b"), REDACTED),
    (re.compile(r"(?P<keep>[a-z][a-z0-9+.-]*://[^/\s:@\"']*):[^@/\s]+@", re.IGNORECASE), rf"\g<keep>:{REDACTED}@"),
    # the header line of HTTP, whose value may hold blanks and semicolons
    (
        re.compile(r"(?im)^(?P<keep>\s*(?:proxy-)?(?:authorization|cookie|set-cookie)\s*:).*$"),
        rf"\g<keep> {REDACTED}",
    ),
    # ('authorization', 'Bearer ...') and (b'cookie', b'...')
    (
        re.compile(rf"(?P<keep>(?P<q>[\"']){_KEY}(?P=q)\s*,\s*){_QUOTED}", re.IGNORECASE),
        rf"\g<keep>{REDACTED}",
    ),
    # password=..., 'token': '...', "title": "...", title='...'; escaped quotes of JSON inside JSON too
    (
        re.compile(
            rf"(?P<keep>{_KEY}(?:\\?[\"'])?\s*(?::=|=>|==|[:=])\s*)(?:{_QUOTED}|\\\"(?:[^\"\\]|\\\\.)*\\\"|{_BARE})",
            re.I,
        ),
        rf"\g<keep>{REDACTED}",
    ),
    (re.compile(r"\b(?P<keep>bearer|basic)\s+[\w.~+/=-]{8,}", re.IGNORECASE), rf"\g<keep> {REDACTED}"),
    # pydantic quotes the rejected input, PostgreSQL the rejected row
    (re.compile(r"(?P<keep>input_value=).*?(?=, input_type=|\]$|$)", re.MULTILINE), rf"\g<keep>{REDACTED}"),
    (re.compile(r"(?P<keep>Failing row contains )\(.*\)"), rf"\g<keep>{REDACTED}"),
    (
        re.compile(rf"(?P<keep>Key \([^)]*(?:{_WORDS})[^)]*\)=)\(.*?\)(?= |$)", re.I | re.MULTILINE),
        rf"\g<keep>{REDACTED}",
    ),
)


def is_forbidden(field_name: str) -> bool:
    """Say whether a field of this name must not be written down, in whatever spelling."""
    return _FORBIDDEN_FIELD.search(field_name) is not None


def redact_text(text: str) -> str:
    """Return the text without secret values; the same object when nothing had to be removed."""
    if _HINT.search(text) is None:
        return text
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def redact_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields as JSON-ready values: forbidden names emptied, texts and other objects' texts searched."""
    return _mapping(fields, 0)


def redact_value(value: object) -> Any:
    """Return one value as `redact_fields` would."""
    return _value(value, 0)


def _mapping(fields: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    return {
        str(name): REDACTED if is_forbidden(str(name)) else _value(value, depth + 1) for name, value in fields.items()
    }


def _value(value: object, depth: int) -> Any:
    match value:
        case None | bool() | int() | float():
            return value
        case SecretStr() | SecretBytes():
            return REDACTED
        case str():
            return redact_text(str(value))
        case Mapping() if depth < _MAX_DEPTH:
            return _mapping(value, depth)
        case list() | tuple() | set() | frozenset() if depth < _MAX_DEPTH:
            return [_value(item, depth + 1) for item in value]
        case _:
            return redact_text(_text(value))


def _text(value: object) -> str:
    isoformat = getattr(value, "isoformat", None)
    if isoformat is not None and not isinstance(value, type):
        return str(isoformat())
    if type(value).__repr__ is object.__repr__:
        return f"<{type(value).__name__}>"
    try:
        return str(value)
    except Exception as exc:  # noqa: BLE001 - a log line must not fail because of what it describes
        return f"<{type(value).__name__} whose text raised {type(exc).__name__}>"
