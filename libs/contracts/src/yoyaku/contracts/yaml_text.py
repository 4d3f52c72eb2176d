"""Writing plain data as YAML text that reads well, with nothing but the standard library.

Only what a generated document needs: mappings, lists, strings, numbers, booleans and null, in block style. Every
string that could be taken for something else is quoted as in JSON, which is YAML too.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

_PLAIN_STRING: Final = re.compile(r"[A-Za-z/][A-Za-z0-9 _./()+;=-]*(?<! )", re.ASCII)
_WORDS_WITH_A_MEANING: Final = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})


def to_yaml(document: Mapping[str, object]) -> str:
    """Write a document as YAML 1.2 in block style, keys in the order given."""
    return "".join(f"{line}\n" for line in _mapping_lines(document, ""))


def _mapping_lines(mapping: Mapping[str, object], indent: str) -> Iterator[str]:
    for key, value in mapping.items():
        yield from _entry_lines(f"{indent}{_scalar(key)}:", value, f"{indent}  ")


def _entry_lines(start: str, value: object, indent: str) -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        yield start
        yield from _mapping_lines(value, indent)
    elif _is_list(value) and value:
        yield start
        yield from _list_lines(value, indent)
    else:
        yield f"{start} {_scalar(value)}"


def _list_lines(items: object, indent: str) -> Iterator[str]:
    assert isinstance(items, Sequence)
    for item in items:
        if isinstance(item, Mapping) and item:
            first, *rest = _mapping_lines(item, f"{indent}  ")
            yield f"{indent}- {first.lstrip()}"
            yield from rest
        elif _is_list(item) and item:
            yield f"{indent}-"
            yield from _list_lines(item, f"{indent}  ")
        else:
            yield f"{indent}- {_scalar(item)}"


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _scalar(value: object) -> str:
    if isinstance(value, str) and _PLAIN_STRING.fullmatch(value) and value.lower() not in _WORDS_WITH_A_MEANING:
        return value
    return json.dumps(value, ensure_ascii=False)
