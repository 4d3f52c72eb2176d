"""Tell how the log stands, in parts: each part of the service that knows something tells it under its name."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class LogStanding:
    """The log's end, its newest epoch (none before the first term), and how much of that is signed and cosigned."""

    next_position: int
    epoch: int | None
    origin: str | None
    checkpoint_size: int
    cosigned_size: int | None


@dataclass(frozen=True, slots=True)
class Status:
    """The standing, and a JSON object by part."""

    standing: LogStanding
    parts: Mapping[str, Mapping[str, Any]]


StatusPart = Callable[[], Awaitable[Mapping[str, Any]]]
"""Gives one part as a JSON object."""


class TellStatus:
    """Asks every part."""

    def __init__(self, standing: Callable[[], Awaitable[LogStanding]], parts: Mapping[str, StatusPart]) -> None:
        self._standing = standing
        self._parts = parts

    async def __call__(self) -> Status:
        """Return all of it. Raises the errors of yoyaku.postgres."""
        return Status(await self._standing(), {name: await part() for name, part in self._parts.items()})
