"""One round of the relay, without any I/O: rows to messages, and outcomes to how far each cursor may move.

Invariants: messages of a shard are in the order of their numbers and without a gap after the cursor; a cursor moves to
the last number before the first failure, whatever was acknowledged after it.
"""

import json
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final, NamedTuple, Protocol

from nats.js.api import Header
from opentelemetry.trace import Span

from yoyaku.contracts.envelope import HEADER_SEQUENCE
from yoyaku.messaging import telemetry
from yoyaku.messaging.publish_spans import TRACEPARENT, end_publish_span, start_publish_span, traceparent_of
from yoyaku.messaging.publishing import Message, Outcome

FAILURE_GAP: Final = "a number is missing in the outbox"
_MESSAGE_ID: Final = str(Header.MSG_ID.value)


class Row(Protocol):
    """One row of the relay's claim: what the database driver returns, or a dict."""

    def __getitem__(self, column: str, /) -> Any:
        """Give one column."""


class Position(NamedTuple):
    """How far a shard was published."""

    number: int
    day: date


@dataclass(slots=True)
class Round:
    """What one round publishes, and after `conclude` what it achieved."""

    messages: list[Message] = field(default_factory=list)
    failures: dict[int, str] = field(default_factory=dict)
    """Shards that stopped before their last row, and why."""
    advanced: dict[int, Position] = field(default_factory=dict)
    """Shards that went forward, and to where."""
    _places: list[tuple[int, int, date]] = field(default_factory=list)
    _spans: list[Span | None] = field(default_factory=list)

    def add(self, row: Row) -> None:
        """Append the message of one outbox row."""
        message, span = message_of(row)
        self.messages.append(message)
        self._places.append((row["shard"], row["number"], row["day"]))
        self._spans.append(span)

    def conclude(self, outcomes: Sequence[Outcome]) -> None:
        """Close the spans, record durations and failures, and work out `advanced` and `failures`."""
        stopped: set[int] = set()
        for message, (shard, number, day), span, outcome in zip(
            self.messages, self._places, self._spans, outcomes, strict=True
        ):
            if span is not None:
                end_publish_span(span, outcome)
            if outcome.failure is not None:
                telemetry.publish_failures.add(1, {"type": message.subject})
                if shard not in stopped:
                    self.failures[shard] = outcome.failure
                    stopped.add(shard)
                continue
            telemetry.publish_duration.record(outcome.seconds, {"stream": outcome.stream, "type": message.subject})
            if shard not in stopped:
                self.advanced[shard] = Position(number, day)


def message_of(row: Row, *, message_id: str | None = None) -> tuple[Message, Span | None]:
    """Make the message of an outbox row, and its span; none when its trace is not sampled.

    `message_id`: its `Nats-Msg-Id`, by which the stream knows a repetition; the event's id by default.
    """
    number, stored = row["number"], row["traceparent"]
    headers: dict[str, str] = json.loads(row["headers"])
    event_id = headers["ce-id"]
    headers[HEADER_SEQUENCE] = str(number)
    headers[_MESSAGE_ID] = message_id or event_id
    span = start_publish_span(row["type"], event_id, headers["ce-source"], number, stored)
    if span is not None:
        headers[TRACEPARENT] = traceparent_of(span)
    elif stored is not None:
        headers[TRACEPARENT] = stored
    return Message(row["type"], row["body"], headers), span


def prepare_round(rows: Sequence[Row], *, careful: Container[int]) -> Round:
    """Make the messages of claimed rows, which are in the order of shard and number.

    A shard in `careful` sends one event only; a shard whose next number is missing sends nothing after the gap.
    """
    prepared = Round()
    next_number: dict[int, int] = {}
    for row in rows:
        shard, number = row["shard"], row["number"]
        if shard in prepared.failures or (shard in careful and shard in next_number):
            continue
        if number != next_number.get(shard, row["published_number"] + 1):
            prepared.failures[shard] = FAILURE_GAP
            continue
        next_number[shard] = number + 1
        prepared.add(row)
    return prepared
