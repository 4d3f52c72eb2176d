"""The life of a backup run.

Invariant: a run ends, `completed` or `failed`, or is waiting or running right now under the one leader; what a dead
leader left `running` is failed by the next. No transition leaves an end state.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import PurePath
from typing import Final

PARTIAL_SUFFIX: Final = ".partial"


class RunState(StrEnum):
    """Where a run is."""

    REQUESTED = "requested"
    """Waits for the leader."""
    RUNNING = "running"
    """The leader is taking it."""
    COMPLETED = "completed"
    """On disk under its final name, every file read back and checked."""
    FAILED = "failed"
    """Nothing of it is kept; `reason` says why."""


TRANSITIONS: Final[dict[RunState, frozenset[RunState]]] = {
    RunState.REQUESTED: frozenset({RunState.RUNNING, RunState.FAILED}),
    RunState.RUNNING: frozenset({RunState.COMPLETED, RunState.FAILED}),
    RunState.COMPLETED: frozenset(),
    RunState.FAILED: frozenset(),
}


class Trigger(StrEnum):
    """What asked for a run."""

    SCHEDULE = "schedule"
    REQUEST = "request"


class RunKind(StrEnum):
    """What a run takes."""

    FULL = "full"
    """The whole PostgreSQL cluster, with the WAL that makes it consistent."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What a completed run put on disk. `size_bytes` and `file_count` are of the base backup with its WAL."""

    directory: str
    size_bytes: int
    file_count: int
    manifest_sha256: str
    record_sha256: str


@dataclass(frozen=True, slots=True)
class Run:
    """One run as the catalogue knows it. Times are aware UTC."""

    run_id: str
    kind: RunKind
    trigger: Trigger
    state: RunState
    requested_by: str
    requested_at: datetime
    scheduled_for: datetime | None = None
    traceparent: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    taken: Taken | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class RunPlaces:
    """Where a run lives: under `partial` while it is taken, under `final` once it is proven. Same file system."""

    partial: PurePath
    final: PurePath

    @classmethod
    def of(cls, directory: PurePath, run_id: str) -> "RunPlaces":
        """Name the places of a run."""
        return cls(directory / f"{run_id}{PARTIAL_SUFFIX}", directory / run_id)
