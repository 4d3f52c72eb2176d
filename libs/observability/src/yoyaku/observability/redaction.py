"""What may never be written down: passwords, tokens, keys, cookies and the titles of reservations.

Invariant: every log record, span and health output passes through here before it reaches a sink. A field is judged by
its name; text (messages, exceptions, reprs) is searched for `name=value` in its usual spellings and for values that
give themselves away. Too much is removed rather than too little.
"""

import math
import re
from collections.abc import Mapping
from typing import Any, Final

from pydantic import SecretBytes, SecretStr

REDACTED: Final = "[redacted]"

MAX_TEXT_CHARACTERS: Final = 32_768
"""What is longer is no log line; the end of it is dropped before anything is searched."""

_MAX_DEPTH: Final = 6

_WORDS: Final = (
    r"password|passwd|passphrase|pwd|secret|token|authori[sz]ation|cookie|credential|api[_-]?key|private[_-]?key|"
    r"signing[_-]?key|jwt|bearer|nkey|title"
)
# What stands before the word stays anyway, so it is not matched; every repetition has a bound or cannot be entered
# twice, so that a hostile text costs no more than its length.
_KEY: Final = rf"(?:{_WORDS})[\w-]{{0,40}}"
_QUOTED: Final = r"[bfru]{0,2}(?:\"(?:\\.|[^\"\\])*+\"?|'(?:\\.|[^'\\])*+'?)"
_ESCAPED_QUOTED: Final = r"\\\"(?:[^\"\\]|\\\\.)*+\\\""
_BARE: Final = r"(?!\[redacted\])(?:bearer\s+|basic\s+)?[^\s,;&)}\]\"']+"

_FORBIDDEN_FIELD: Final = re.compile(_WORDS, re.IGNORECASE)

_HINTS: Final = (
    *("passw", "passphrase", "pwd", "secret", "token", "authori", "cookie", "credential", "api", "private"),
    *("signing", "jwt", "bearer", "nkey", "title", "eyj", "basic ", "://", "input_value=", "row contains"),
)
"""Some of these are in every text that a rule could change; their absence clears nearly every line cheaply."""

_SEED: Final = re.compile(r"\bS[UAONCX][A-Z2-7]{56}\b")


def _rule(pattern: str, replacement: str = REDACTED, flags: int = re.IGNORECASE) -> tuple[re.Pattern[str], str]:
    return re.compile(pattern, flags), replacement


_KEEP: Final = rf"\g<keep>{REDACTED}"

_RULES: Final = (
    _rule(r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,20}PRIVATE KEY-----|\Z)", flags=re.DOTALL),
    _rule(r"(?<![\w-])eyJ[\w-]{4,}+\.[\w-]{4,}+(?:\.[\w-]*+)*", flags=0),
    _rule(r"\bAGE-SECRET-KEY-[\w-]++"),
    (_SEED, REDACTED),
    _rule(r"(?P<keep>://[^/\s:@\"']{0,100}):[^@/\s]{1,500}@", rf"\g<keep>:{REDACTED}@"),
    # the header line of HTTP, whose value may hold blanks and semicolons
    _rule(r"^(?P<keep>\s*(?:proxy-)?(?:authorization|cookie|set-cookie)\s*:).*$", _KEEP, re.IGNORECASE | re.MULTILINE),
    # ('authorization', 'Bearer ...') and (b'cookie', b'...')
    _rule(rf"(?P<keep>{_KEY}[\"']\s*,\s*){_QUOTED}", _KEEP),
    # password=..., 'token': '...', "title": "...", title='...'; escaped quotes of JSON inside JSON too
    _rule(rf"(?P<keep>{_KEY}(?:\\?[\"'])?\s*(?::=|=>|==|[:=])\s*)(?:{_QUOTED}|{_ESCAPED_QUOTED}|{_BARE})", _KEEP),
    _rule(r"\b(?P<keep>bearer|basic)\s+[\w.~+/=-]{8,}+", rf"\g<keep> {REDACTED}"),
    # pydantic quotes the rejected input, PostgreSQL the rejected row
    _rule(r"(?P<keep>input_value=).*?(?=, input_type=|\]$|$)", _KEEP, re.MULTILINE),
    _rule(r"(?P<keep>Failing row contains )\(.*\)", _KEEP),
    _rule(rf"(?P<keep>Key \([^()]{{0,200}}(?:{_WORDS})[^()]{{0,200}}\)=)\(.*\)", _KEEP),
)


def is_forbidden(field_name: str) -> bool:
    """Say whether a field of this name must not be written down, in whatever spelling."""
    return _FORBIDDEN_FIELD.search(field_name) is not None


def redact_text(text: str) -> str:
    """Return the text without secret values, encodable, and cut after MAX_TEXT_CHARACTERS; often the same object."""
    if not text.isascii():
        text = text.encode("utf-8", "backslashreplace").decode()  # a lone surrogate would cost a whole batch
    if len(text) > MAX_TEXT_CHARACTERS:
        text = f"{text[:MAX_TEXT_CHARACTERS]} [cut, {len(text)} characters]"
    lowered = text.lower()
    if not any(hint in lowered for hint in _HINTS) and _SEED.search(text) is None:
        return text
    for pattern, replacement in _RULES:
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
            return _number(value) if value else value
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


def _number(value: float) -> float | str:
    """JSON knows no NaN, OTLP no integer beyond 64 bits."""
    fits = abs(value) < 2**63 if isinstance(value, int) else math.isfinite(value)
    return value if fits else str(value)


def _text(value: object) -> str:
    try:
        isoformat = getattr(value, "isoformat", None)
        if isoformat is not None and not isinstance(value, type):
            return str(isoformat())
        return f"<{type(value).__name__}>" if type(value).__repr__ is object.__repr__ else str(value)
    except Exception as exc:  # noqa: BLE001 - a log line must not fail because of what it describes
        return f"<{type(value).__name__} whose text raised {type(exc).__name__}>"
