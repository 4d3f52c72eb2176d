"""Walks an OTLP request slice by slice, without building it in memory.

A small body can unfold into a message tree fifty times its size (two bytes an empty submessage), so the request as
a whole is never parsed: only its records are, one at a time and each under a size limit. The three signals share
one shape: field 1 of the request is a list of resources, field 2 of a resource a list of scopes, field 2 of a scope
a list of records.

Source: opentelemetry-proto v1 (trace, logs and metrics services); protobuf encoding guide (tags, varints).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MAX_VARINT_BYTES = 10


class MalformedRequestError(Exception):
    """The body is not an OTLP request."""


class TooManyPartsError(Exception):
    """The body holds more parts than one request may have."""


class Slice(NamedTuple):
    """Where a submessage lies in the body: first byte and the byte behind its last."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Record:
    """One encoded span, log record or metric, with the encoded resource it came from (empty when it has none)."""

    resource: bytes
    encoded: bytes


class Walker:
    """Reads one body; counts every part it touches, so that the time spent is bounded too."""

    def __init__(self, body: bytes, *, max_parts: int) -> None:
        self._body = body
        self._parts_left = max_parts

    def records(self) -> Iterator[Record]:
        """Yield each record in order. Raises MalformedRequestError, TooManyPartsError."""
        body = self._body
        for per_resource in self._children(Slice(0, len(body)), 1):
            resource = b"".join(body[part.start : part.end] for part in self._children(per_resource, 1))
            for per_scope in self._children(per_resource, 2):
                for part in self._children(per_scope, 2):
                    yield Record(resource, body[part.start : part.end])

    def _children(self, parent: Slice, wanted: int) -> Iterator[Slice]:
        position = parent.start
        while position < parent.end:
            self._parts_left -= 1
            if self._parts_left < 0:
                raise TooManyPartsError
            tag, position = self._varint(position, parent.end)
            number, wire_type = tag >> 3, tag & 7
            start, position = self._skip(wire_type, position, parent.end)
            if number == 0 or (number == wanted and wire_type != _BYTES):
                raise MalformedRequestError
            if number == wanted:
                yield Slice(start, position)

    def _skip(self, wire_type: int, position: int, end: int) -> tuple[int, int]:
        """Return where the value begins and where the next field does."""
        start = position
        if wire_type == _VARINT:
            _, position = self._varint(position, end)
        elif wire_type == _BYTES:
            length, start = self._varint(position, end)
            position = start + length
        elif wire_type in (_FIXED64, _FIXED32):
            position += 8 if wire_type == _FIXED64 else 4
        else:
            raise MalformedRequestError
        if position > end:
            raise MalformedRequestError
        return start, position

    def _varint(self, position: int, end: int) -> tuple[int, int]:
        body, value = self._body, 0
        for index in range(_MAX_VARINT_BYTES):
            if position >= end:
                break
            byte = body[position]
            position += 1
            value |= (byte & 0x7F) << (7 * index)
            if byte < 0x80:
                return value, position
        raise MalformedRequestError
