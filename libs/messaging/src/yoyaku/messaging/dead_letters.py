"""Dead letters: what could not be handled, kept with its reason until somebody puts it back or lets it go.

Two kinds lie in DEAD_LETTERS: events a consumer gave up, whole, on `dlq.<stream>.<durable>`; and the server's own
advisories (deliveries exhausted, message terminated), which name an event that is still in its stream. Both are shown
and put back alike. Invariant: a dead letter is deleted only after the stream acknowledged what was put back.
"""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from nats.aio.msg import Msg
from nats.errors import Error
from nats.js import JetStreamContext
from nats.js.errors import APIError

from yoyaku.messaging.stored import StoredMessage, read_message, read_stream
from yoyaku.messaging.topology import (
    ADVISORY_MAX_DELIVERIES,
    ADVISORY_TERMINATED,
    DEAD_LETTERS_STREAM,
    EVENT_STREAMS,
    ConsumerSpec,
)

REASON: Final = "Dead-Letter-Reason"
ERROR_TYPE: Final = "Dead-Letter-Error-Type"
ERROR: Final = "Dead-Letter-Error"
SUBJECT: Final = "Dead-Letter-Subject"
STREAM: Final = "Dead-Letter-Stream"
CONSUMER: Final = "Dead-Letter-Consumer"
SEQUENCE: Final = "Dead-Letter-Sequence"
DELIVERIES: Final = "Dead-Letter-Deliveries"
TIME: Final = "Dead-Letter-Time"
MESSAGE_ID: Final = "Nats-Msg-Id"
_OWN_HEADERS: Final = "dead-letter-"
_SERVER_HEADERS: Final = "nats-"
_LONGEST_ERROR: Final = 500
_NO_SUCH_MESSAGE: Final = frozenset({10037, 10043, 10057})
"""The server's codes for a message that is not there; deleting one that is gone gives the second."""
FILTER_KEYS: Final = ("stream", "consumer", "type", "reason", "id")


class RedriveError(Exception):
    """A dead letter could not be put back; it is still where it was."""


class InvalidFilterError(ValueError):
    """A filter is not of the form key=value with a known key."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One dead letter. `sequence` names it within DEAD_LETTERS; `died_at` is aware UTC.

    `data` is `None` when an advisory names an event that its stream no longer has.
    """

    sequence: int
    reason: str
    error_type: str | None
    error: str | None
    stream: str
    consumer: str
    original_subject: str | None
    original_sequence: int
    deliveries: int
    died_at: datetime
    headers: Mapping[str, str] = field(default_factory=dict)
    data: bytes | None = None

    @property
    def event_id(self) -> str | None:
        """Give the id of the event, where its headers say it."""
        return self.headers.get("ce-id")

    @property
    def type(self) -> str | None:
        """Give the type of the event, where its headers say it, else its subject."""
        return self.headers.get("ce-type") or self.original_subject

    def to_json(self) -> dict[str, Any]:
        """Give everything but the body, as JSON values."""
        return {
            "sequence": self.sequence,
            "event_id": self.event_id,
            "type": self.type,
            "stream": self.stream,
            "consumer": self.consumer,
            "reason": self.reason,
            "error_type": self.error_type,
            "error": self.error,
            "original_subject": self.original_subject,
            "original_sequence": self.original_sequence,
            "deliveries": self.deliveries,
            "died_at": self.died_at.isoformat(),
            "original_kept": self.data is not None,
        }


@dataclass(frozen=True, slots=True)
class Filter:
    """Which dead letters are meant; every given condition must hold. `reason` matches a part, the others the whole."""

    conditions: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, texts: list[str]) -> "Filter":
        """Read `key=value` conditions. Raises InvalidFilterError naming the wrong one."""
        conditions = []
        for text in texts:
            key, separator, value = text.partition("=")
            if not separator or not value or key not in FILTER_KEYS:
                raise InvalidFilterError(f"{text!r} is not one of {', '.join(f'{k}=…' for k in FILTER_KEYS)}")
            conditions.append((key, value))
        return cls(tuple(conditions))

    def matches(self, letter: DeadLetter) -> bool:
        """Tell whether a dead letter is meant."""
        values: dict[str, set[str | None]] = {
            "stream": {letter.stream},
            "consumer": {letter.consumer},
            "type": {letter.type},
            "id": {letter.event_id, str(letter.sequence)},
        }
        return all(
            value.casefold() in letter.reason.casefold() if key == "reason" else value in values[key]
            for key, value in self.conditions
        )


def headers_for(message: Msg, spec: ConsumerSpec, *, reason: str, error: BaseException | None) -> dict[str, str]:
    """Give the headers of a dead letter: the original's own, and why, whence and when it died.

    The message id is derived from the original, so that a repeated attempt within the stream's duplicate window
    stores one dead letter.
    """
    metadata = message.metadata
    kept = {
        k: v for k, v in (message.headers or {}).items() if not k.lower().startswith((_SERVER_HEADERS, _OWN_HEADERS))
    }
    return kept | {
        MESSAGE_ID: f"dlq-{spec.stream}-{spec.durable}-{metadata.sequence.stream}",
        REASON: _one_line(reason),
        ERROR_TYPE: type(error).__name__ if error is not None else "",
        ERROR: _one_line(str(error)) if error is not None else "",
        SUBJECT: message.subject,
        STREAM: spec.stream,
        CONSUMER: spec.durable,
        SEQUENCE: str(metadata.sequence.stream),
        DELIVERIES: str(metadata.num_delivered),
        TIME: datetime.now(UTC).isoformat(),
    }


async def bury(
    js: JetStreamContext, message: Msg, spec: ConsumerSpec, *, reason: str, error: BaseException | None
) -> None:
    """Put a message into DEAD_LETTERS and return once the stream has it. Raises nats.errors.Error otherwise."""
    headers = headers_for(message, spec, reason=reason, error=error)
    await js.publish(spec.dead_letter_subject, message.data, stream=DEAD_LETTERS_STREAM.name, headers=headers)


async def list_dead_letters(js: JetStreamContext, wanted: Filter | None = None) -> AsyncGenerator[DeadLetter, None]:
    """Go through the dead letters that match, oldest first, advisories resolved to the event they name."""
    wanted = wanted or Filter()
    async with aclosing(read_stream(js, DEAD_LETTERS_STREAM.name)) as messages:
        async for message in messages:
            letter = await _resolve(js, message)
            if letter is not None and wanted.matches(letter):
                yield letter


async def read_dead_letter(js: JetStreamContext, sequence: int) -> DeadLetter | None:
    """Read one dead letter; `None` when there is none of that sequence."""
    message = await read_message(js, DEAD_LETTERS_STREAM.name, sequence)
    return await _resolve(js, message) if message is not None else None


async def find_dead_letter(js: JetStreamContext, identifier: str) -> DeadLetter | None:
    """Find one by its sequence in DEAD_LETTERS or by its event's id, the oldest of several; else `None`."""
    if identifier.isascii() and identifier.isdigit():
        return await read_dead_letter(js, int(identifier))
    async with aclosing(list_dead_letters(js, Filter((("id", identifier),)))) as letters:
        async for letter in letters:
            return letter
    return None


async def redrive(js: JetStreamContext, letter: DeadLetter) -> int:
    """Put an event back under its original subject and delete its dead letter; returns its new stream sequence.

    The event keeps its `ce-id`, so that consumers that handled it know it; its message id is new, so that the stream
    takes it. Raises RedriveError when the event is gone or the stream does not acknowledge; the dead letter then stays.
    """
    if letter.data is None or letter.original_subject is None:
        raise RedriveError(f"dead letter {letter.sequence}: the stream no longer has the event it names")
    headers = {k: v for k, v in letter.headers.items() if not k.lower().startswith((_SERVER_HEADERS, _OWN_HEADERS))}
    headers[MESSAGE_ID] = f"redrive-{letter.sequence}"
    try:
        ack = await js.publish(letter.original_subject, letter.data, stream=letter.stream, headers=headers)
        await js.delete_msg(DEAD_LETTERS_STREAM.name, letter.sequence)
    except (Error, TimeoutError) as error:
        if isinstance(error, APIError) and error.err_code in _NO_SUCH_MESSAGE:
            raise RedriveError(f"dead letter {letter.sequence}: somebody else put it back meanwhile") from error
        raise RedriveError(f"dead letter {letter.sequence}: {error or type(error).__name__}") from error
    return ack.seq


async def redrive_these(
    js: JetStreamContext, letters: Iterable[DeadLetter]
) -> AsyncIterator[tuple[DeadLetter, RedriveError | None]]:
    """Put dead letters back one by one, in order; gives each with its problem, if it had one, and goes on."""
    for letter in letters:
        try:
            await redrive(js, letter)
        except RedriveError as error:
            yield letter, error
        else:
            yield letter, None


async def _resolve(js: JetStreamContext, message: StoredMessage) -> DeadLetter | None:
    if message.subject.startswith((ADVISORY_MAX_DELIVERIES, ADVISORY_TERMINATED)):
        return await _from_advisory(js, message)
    headers = message.headers
    subject_parts = message.subject.split(".", 2)
    return DeadLetter(
        sequence=message.sequence,
        reason=headers.get(REASON, "unknown"),
        error_type=headers.get(ERROR_TYPE) or None,
        error=headers.get(ERROR) or None,
        stream=headers.get(STREAM) or (subject_parts[1] if len(subject_parts) > 1 else ""),
        consumer=headers.get(CONSUMER) or subject_parts[-1],
        original_subject=headers.get(SUBJECT),
        original_sequence=_whole_number(headers.get(SEQUENCE)),
        deliveries=_whole_number(headers.get(DELIVERIES)),
        died_at=message.stored_at,
        headers={k: v for k, v in headers.items() if not k.lower().startswith((_SERVER_HEADERS, _OWN_HEADERS))},
        data=message.data,
    )


async def _from_advisory(js: JetStreamContext, message: StoredMessage) -> DeadLetter | None:
    try:
        advisory = json.loads(message.data)
        stream, consumer, sequence = advisory["stream"], advisory["consumer"], int(advisory["stream_seq"])
    except (ValueError, KeyError, TypeError):
        return None
    exhausted = message.subject.startswith(ADVISORY_MAX_DELIVERIES)
    original = await read_message(js, stream, sequence) if stream in EVENT_STREAMS else None
    return DeadLetter(
        sequence=message.sequence,
        reason="deliveries exhausted" if exhausted else "terminated by its consumer",
        error_type=None,
        error=None,
        stream=stream,
        consumer=consumer,
        original_subject=original.subject if original else None,
        original_sequence=sequence,
        deliveries=_whole_number(advisory.get("deliveries")),
        died_at=message.stored_at,
        headers=original.headers if original else {},
        data=original.data if original else None,
    )


def _whole_number(value: object) -> int:
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() else 0


def _one_line(text: str) -> str:
    return " ".join(text.split())[:_LONGEST_ERROR]
