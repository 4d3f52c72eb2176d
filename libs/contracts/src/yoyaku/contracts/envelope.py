"""The envelope of an event: CloudEvents 1.0 in binary mode over NATS headers.

Invariant: `from_headers(to_headers(envelope)) == envelope` for every valid envelope, whatever Unicode its attributes
hold. The body travels apart, as the message's payload; `traceparent` is a header of the messaging library's own.

Source: CloudEvents 1.0.2, NATS Protocol Binding section 3.1, and HTTP Protocol Binding section 3.1.3.2 (header values).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar, Final
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict

SPEC_VERSION: Final = "1.0"
JSON_CONTENT_TYPE: Final = "application/json"

HEADER_SPEC_VERSION: Final = "ce-specversion"
HEADER_ID: Final = "ce-id"
HEADER_SOURCE: Final = "ce-source"
HEADER_TYPE: Final = "ce-type"
HEADER_TIME: Final = "ce-time"
HEADER_SUBJECT: Final = "ce-subject"
HEADER_SEQUENCE: Final = "ce-sequence"
HEADER_ACTOR: Final = "ce-actor"
HEADER_CORRELATION_ID: Final = "ce-correlationid"
HEADER_CAUSATION_ID: Final = "ce-causationid"
HEADER_CLIENT_ADDRESS: Final = "ce-clientaddress"
HEADER_DATASCHEMA: Final = "ce-dataschema"
HEADER_DATACONTENTTYPE: Final = "ce-datacontenttype"

REQUIRED_HEADERS: Final = (
    HEADER_SPEC_VERSION,
    HEADER_ID,
    HEADER_SOURCE,
    HEADER_TYPE,
    HEADER_TIME,
    HEADER_SUBJECT,
    HEADER_SEQUENCE,
    HEADER_ACTOR,
    HEADER_CORRELATION_ID,
    HEADER_DATASCHEMA,
    HEADER_DATACONTENTTYPE,
)
OPTIONAL_HEADERS: Final = (HEADER_CAUSATION_ID, HEADER_CLIENT_ADDRESS)

# Printable ASCII but for space, double quote and percent: what a header value may hold as it is.
_PLAIN: Final = "".join(chr(c) for c in range(0x21, 0x7F) if chr(c) not in '"%')
_NEEDS_ENCODING: Final = re.compile(r"[^!#$&-~]")
_ENCODED_RUN: Final = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_QUOTED_PAIR: Final = re.compile(r"\\(.)", re.DOTALL)
_RFC3339: Final = re.compile(r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:[Zz]|[+-]\d{2}:\d{2})", re.ASCII)
_WHOLE_NUMBER: Final = re.compile(r"[0-9]{1,18}", re.ASCII)


class EnvelopeError(ValueError):
    """A header of an event is missing or cannot be read; `header` names it and `problem` says why."""

    def __init__(self, header: str, problem: str) -> None:
        super().__init__(f"{header}: {problem}")
        self.header = header
        self.problem = problem


class Event(BaseModel):
    """A fact that happened, as its body alone. Frozen; refuses unknown fields when it is made.

    `TYPE` is the event's type and at once its NATS subject: past tense, versioned, without ids.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    TYPE: ClassVar[str]


@dataclass(frozen=True, slots=True)
class Envelope:
    """What every event carries beside its body."""

    id: str
    """UUIDv7 text; the same on every delivery and redrive."""
    source: str
    """The numbered log it came from, a shard of a service's outbox: `/booking/07`."""
    type: str
    """The event's type, equal to its subject on the bus."""
    time: datetime
    """When the fact happened: aware UTC."""
    subject: str
    """What it is about: `reservation/<id>`."""
    sequence: int
    """Its number in `source`: gap-free, in commit order."""
    actor: str
    """Who did it: `person/<id>`, `anonymous`, `service/<name>` or `operator`."""
    correlation_id: str
    """The same for everything that one request or schedule set off."""
    causation_id: str | None
    """The id of the event that led to this one, if an event did."""
    client_address: str | None
    """The address of the client behind it, if there was one."""
    dataschema: str
    """The `$id` of the JSON Schema of its body."""
    datacontenttype: str = JSON_CONTENT_TYPE


def percent_encode(value: str) -> str:
    """Encode a header value: space, double quote, percent and all outside printable ASCII become `%XX` of UTF-8.

    Raises UnicodeEncodeError for a lone surrogate, which is no character.
    """
    return quote(value, safe=_PLAIN) if _NEEDS_ENCODING.search(value) else value


def percent_decode(value: str) -> str:
    """Decode a header value as any CloudEvents producer may have written it: quoted, and with `%XX` of UTF-8.

    A percent sign that starts no pair of hex digits stands for itself. Raises UnicodeDecodeError for bytes that are
    not UTF-8.
    """
    if len(value) >= 2 and value[0] == value[-1] == '"':
        value = _QUOTED_PAIR.sub(r"\1", value[1:-1])
    if "%" not in value:
        return value
    return _ENCODED_RUN.sub(lambda run: bytes.fromhex(run.group().replace("%", "")).decode("utf-8"), value)


def to_headers(envelope: Envelope) -> dict[str, str]:
    """Write an envelope as `ce-*` headers; an absent optional attribute is an absent header.

    Raises EnvelopeError, naming the header, for an empty attribute, a naive time, a negative number or text that is
    not Unicode.
    """
    if envelope.time.tzinfo is None:
        raise EnvelopeError(HEADER_TIME, "the time has no zone")
    if envelope.sequence < 0:
        raise EnvelopeError(HEADER_SEQUENCE, "the number is negative")
    values = {
        HEADER_SPEC_VERSION: SPEC_VERSION,
        HEADER_ID: envelope.id,
        HEADER_SOURCE: envelope.source,
        HEADER_TYPE: envelope.type,
        HEADER_TIME: envelope.time.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        HEADER_SUBJECT: envelope.subject,
        HEADER_SEQUENCE: str(envelope.sequence),
        HEADER_ACTOR: envelope.actor,
        HEADER_CORRELATION_ID: envelope.correlation_id,
        HEADER_CAUSATION_ID: envelope.causation_id,
        HEADER_CLIENT_ADDRESS: envelope.client_address,
        HEADER_DATASCHEMA: envelope.dataschema,
        HEADER_DATACONTENTTYPE: envelope.datacontenttype,
    }
    return {name: _encoded(name, value) for name, value in values.items() if value is not None}


def from_headers(headers: Mapping[str, str]) -> Envelope:
    """Read an envelope from a message's headers; names are taken in any case, unknown ones are ignored.

    Raises EnvelopeError naming the first header that is missing or cannot be read.
    """
    given = {name.lower(): value for name, value in headers.items()}
    read = {name: _decoded(name, given.get(name)) for name in REQUIRED_HEADERS}
    if read[HEADER_SPEC_VERSION] != SPEC_VERSION:
        raise EnvelopeError(HEADER_SPEC_VERSION, f"only version {SPEC_VERSION} is known")
    optional = {name: _decoded(name, given[name]) if name in given else None for name in OPTIONAL_HEADERS}
    return Envelope(
        id=read[HEADER_ID],
        source=read[HEADER_SOURCE],
        type=read[HEADER_TYPE],
        time=_time(read[HEADER_TIME]),
        subject=read[HEADER_SUBJECT],
        sequence=_sequence(read[HEADER_SEQUENCE]),
        actor=read[HEADER_ACTOR],
        correlation_id=read[HEADER_CORRELATION_ID],
        causation_id=optional[HEADER_CAUSATION_ID],
        client_address=optional[HEADER_CLIENT_ADDRESS],
        dataschema=read[HEADER_DATASCHEMA],
        datacontenttype=read[HEADER_DATACONTENTTYPE],
    )


def _encoded(name: str, value: str) -> str:
    if not value:
        raise EnvelopeError(name, "it is empty")
    try:
        return percent_encode(value)
    except UnicodeEncodeError:
        raise EnvelopeError(name, "it is not Unicode text") from None


def _decoded(name: str, value: str | None) -> str:
    if value is None:
        raise EnvelopeError(name, "it is missing")
    try:
        text = percent_decode(value)
    except UnicodeDecodeError:
        raise EnvelopeError(name, "its percent-encoding is not UTF-8") from None
    if not text:
        raise EnvelopeError(name, "it is empty")
    return text


def _time(text: str) -> datetime:
    if not _RFC3339.fullmatch(text):
        raise EnvelopeError(HEADER_TIME, "it is not an RFC 3339 time with a zone")
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise EnvelopeError(HEADER_TIME, "there is no such time") from None


def _sequence(text: str) -> int:
    if not _WHOLE_NUMBER.fullmatch(text):
        raise EnvelopeError(HEADER_SEQUENCE, "it is not a whole number")
    return int(text)
