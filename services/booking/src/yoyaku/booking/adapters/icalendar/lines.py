"""The content lines of an iCalendar file with the numbers that an editor shows, and the components they make.

Invariant: a fold may stand in the middle of a character (RFC 5545 3.1), so lines are joined as bytes and read as text
afterwards. What cannot be read is a fault of its line, never an exception.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from icalendar.parser import Contentline, Parameters

from yoyaku.booking.usecases.ports.imports import Fault, Line

_MARK: Final = b"\xef\xbb\xbf"
_DEEPEST: Final = 5


@dataclass(frozen=True, slots=True)
class Property:
    """One property; `value` has its escapes undone."""

    line: Line
    name: str
    parameters: Parameters
    value: str


@dataclass(slots=True)
class Component:
    """What stands between BEGIN and END."""

    line: Line
    name: str
    properties: list[Property] = field(default_factory=list)
    components: list["Component"] = field(default_factory=list)


def read_components(file: str, data: bytes) -> tuple[list[Component], list[Fault]]:
    """Return the outermost components in the order of the file, and what could not be read."""
    faults: list[Fault] = []
    top = Component(Line(file, 1), "")
    stack = [top]
    for item in _properties(file, data):
        if isinstance(item, Fault):
            faults.append(item)
        elif item.name == "BEGIN":
            if len(stack) > _DEEPEST:
                return [], [*faults, Fault(item.line, "BEGIN", "too-deep")]
            opened = Component(item.line, item.value.strip().upper())
            stack[-1].components.append(opened)
            stack.append(opened)
        elif item.name == "END":
            if len(stack) == 1 or stack[-1].name != item.value.strip().upper():
                return [], [*faults, Fault(item.line, "END", "wrong-end")]
            stack.pop()
        elif len(stack) == 1:
            return [], [*faults, Fault(item.line, item.name, "not-icalendar")]
        else:
            stack[-1].properties.append(item)
    if len(stack) > 1:
        faults.append(Fault(stack[-1].line, stack[-1].name, "no-end"))
    if not top.components and not faults:
        faults.append(Fault(Line(file, 1), "file", "not-icalendar"))
    return top.components, faults


def _properties(file: str, data: bytes) -> Iterator[Property | Fault]:
    for number, raw in _unfolded(data.removeprefix(_MARK)):
        line = Line(file, number)
        try:
            name, parameters, value = Contentline(raw.decode("utf-8")).parts()  # type: ignore[no-untyped-call]
        except UnicodeDecodeError:
            yield Fault(line, "file", "not-utf8")
        except ValueError:
            yield Fault(line, "line", "not-a-content-line")
        else:
            yield Property(line, name.upper(), parameters, value)


def _unfolded(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield each logical line with the number of its first physical one; empty lines are skipped."""
    started, parts = 0, list[bytes]()
    for number, physical in enumerate(data.split(b"\n"), start=1):
        text = physical.removesuffix(b"\r")
        if text[:1] in (b" ", b"\t") and parts:
            parts.append(text[1:])
            continue
        if parts:
            yield started, b"".join(parts)
        started, parts = number, [text] if text.strip() else []
    if parts:
        yield started, b"".join(parts)
