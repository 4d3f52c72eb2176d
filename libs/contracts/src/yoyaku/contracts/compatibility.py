"""What makes a change of an event's schema a breaking one (EV-06): a pure comparison of two sets of schemas.

Inside a major version events evolve additively. Events stay in the streams and in the audit log for years, and a
producer may run before or after its consumers, so the new schema must accept every old event, and what every new
event carries must be what an old consumer expects.

Allowed: a new event, a new optional field, a new member of an enum, a looser limit, another description.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from yoyaku.contracts.schemas import Schema


class Breakage(StrEnum):
    """The kinds of breaking change."""

    EVENT_REMOVED = "event removed"
    """A released event is gone."""
    FIELD_REMOVED = "field removed"
    """Old consumers look for it."""
    REQUIRED_FIELD_ADDED = "required field added"
    """Old events do not have it."""
    FIELD_NOW_REQUIRED = "field now required"
    """Old events may lack it."""
    FIELD_NO_LONGER_REQUIRED = "field no longer required"
    """Old consumers rely on it."""
    TYPE_CHANGED = "type changed"
    """Another JSON type or format, nullable or not included."""
    ENUM_NARROWED = "enum narrowed"
    """Old events may hold the member that is gone."""
    LIMIT_TIGHTENED = "limit tightened"
    """Old events may lie outside."""


@dataclass(frozen=True, slots=True)
class BreakingChange:
    """One breaking change: in which event, at which field (empty for the event itself), and what."""

    event: str
    path: str
    kind: Breakage
    detail: str = ""

    def __str__(self) -> str:
        where = f"{self.event} {self.path}".rstrip()
        return f"{where}: {self.kind}{f' ({self.detail})' if self.detail else ''}"


_LOWER_LIMITS: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems")
_UPPER_LIMITS: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")
_OTHER_LIMITS: Final = ("pattern", "multipleOf", "uniqueItems")


def breaking_changes(released: Mapping[str, Schema], current: Mapping[str, Schema]) -> list[BreakingChange]:
    """Find every breaking change from the released schemas to the current ones, in order of event and field."""
    found: list[BreakingChange] = []
    for event, old in sorted(released.items()):
        new = current.get(event)
        if new is None:
            found.append(BreakingChange(event, "", Breakage.EVENT_REMOVED))
        else:
            found.extend(_Comparison(event, old, new).run())
    return found


class _Comparison:
    """The comparison of one event's two schemas; `$ref` is looked up in the document it stands in."""

    def __init__(self, event: str, old: Schema, new: Schema) -> None:
        self._event = event
        self._old = old
        self._new = new

    def run(self) -> Iterator[BreakingChange]:
        """Find what breaks."""
        yield from self._node("", self._old, self._new, frozenset())

    def _node(self, path: str, old: Schema, new: Schema, seen: frozenset[str]) -> Iterator[BreakingChange]:
        reference = old.get("$ref")
        if reference is not None:
            if reference in seen:
                return
            seen |= {reference}
        olds, news = _alternatives(old, self._old), _alternatives(new, self._new)
        if set(olds) != set(news):
            yield self._change(path, Breakage.TYPE_CHANGED, f"{_names(olds)} -> {_names(news)}")
            return
        for kind, old_part in olds.items():
            yield from self._part(path, old_part, news[kind], seen)

    def _part(self, path: str, old: Schema, new: Schema, seen: frozenset[str]) -> Iterator[BreakingChange]:
        yield from self._enum(path, old, new)
        yield from self._limits(path, old, new)
        yield from self._fields(path, old, new, seen)
        yield from self._elements(f"{path}[]", old.get("items"), new.get("items"), seen)
        yield from self._elements(f"{path}{{}}", _mapping(old), _mapping(new), seen)

    def _elements(
        self, path: str, old: Schema | None, new: Schema | None, seen: frozenset[str]
    ) -> Iterator[BreakingChange]:
        if old is not None or new is not None:
            yield from self._node(path, old or {}, new or {}, seen)

    def _enum(self, path: str, old: Schema, new: Schema) -> Iterator[BreakingChange]:
        before, after = _members(old), _members(new)
        if after is None:
            return
        if before is None:
            yield self._change(path, Breakage.ENUM_NARROWED, "from any value")
        elif gone := sorted(before - after):
            yield self._change(path, Breakage.ENUM_NARROWED, ", ".join(gone))

    def _limits(self, path: str, old: Schema, new: Schema) -> Iterator[BreakingChange]:
        for name in _LOWER_LIMITS:
            if name in new and (name not in old or new[name] > old[name]):
                yield self._change(path, Breakage.LIMIT_TIGHTENED, f"{name} {old.get(name)} -> {new[name]}")
        for name in _UPPER_LIMITS:
            if name in new and (name not in old or new[name] < old[name]):
                yield self._change(path, Breakage.LIMIT_TIGHTENED, f"{name} {old.get(name)} -> {new[name]}")
        for name in _OTHER_LIMITS:
            if name in new and new[name] != old.get(name):
                yield self._change(path, Breakage.LIMIT_TIGHTENED, f"{name} {old.get(name)} -> {new[name]}")

    def _fields(self, path: str, old: Schema, new: Schema, seen: frozenset[str]) -> Iterator[BreakingChange]:
        before, after = old.get("properties", {}), new.get("properties", {})
        needed_before, needed_after = set(old.get("required", ())), set(new.get("required", ()))
        for name, part in before.items():
            where = f"{path}.{name}" if path else name
            if name not in after:
                yield self._change(where, Breakage.FIELD_REMOVED)
                continue
            if name in needed_after - needed_before:
                yield self._change(where, Breakage.FIELD_NOW_REQUIRED)
            if name in needed_before - needed_after:
                yield self._change(where, Breakage.FIELD_NO_LONGER_REQUIRED)
            yield from self._node(where, part, after[name], seen)
        for name in after:
            if name not in before and name in needed_after:
                yield self._change(f"{path}.{name}" if path else name, Breakage.REQUIRED_FIELD_ADDED)

    def _change(self, path: str, kind: Breakage, detail: str = "") -> BreakingChange:
        return BreakingChange(self._event, path, kind, detail)


def _alternatives(node: Schema, document: Schema) -> dict[str, Schema]:
    """Flatten references and `anyOf` into the alternatives a value may be, by JSON type and format."""
    reference = node.get("$ref")
    if reference is not None:
        return _alternatives(_resolve(reference, document), document)
    if "anyOf" in node:
        found: dict[str, Schema] = {}
        for part in node["anyOf"]:
            found.update(_alternatives(part, document))
        return found
    types = node.get("type", "any")
    form = f" ({node['format']})" if "format" in node else ""
    return {f"{one}{form}": node for one in ([types] if isinstance(types, str) else types)}


def _resolve(reference: str, document: Schema) -> Schema:
    node: Any = document
    for part in reference.removeprefix("#/").split("/"):
        node = node[part]
    return dict(node)


def _names(alternatives: Mapping[str, Schema]) -> str:
    return " | ".join(sorted(alternatives))


def _members(node: Schema) -> set[str] | None:
    if "const" in node:
        return {repr(node["const"])}
    return {repr(member) for member in node["enum"]} if "enum" in node else None


def _mapping(node: Schema) -> Schema | None:
    values = node.get("additionalProperties")
    return values if isinstance(values, dict) else None
