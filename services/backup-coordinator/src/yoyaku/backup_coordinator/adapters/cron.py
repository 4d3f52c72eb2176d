"""Crontab lines, computed by APScheduler. The coordinator keeps its own account of what was dealt with."""

from datetime import UTC, datetime, timedelta
from typing import Any

from apscheduler.triggers.cron import CronTrigger

from yoyaku.backup_coordinator.domain.schedule import NextFire, ScheduleError, crontab_fields


def next_fire_of(expression: str) -> NextFire:
    """Return the function that finds the first moment of a crontab line, in UTC, after the one given.

    Raises ScheduleError when the line is none, or never comes.
    """
    try:
        trigger: Any = CronTrigger(**crontab_fields(expression), timezone=UTC)  # type: ignore[no-untyped-call]
    except ScheduleError:
        raise
    except (ValueError, TypeError) as error:
        raise ScheduleError(f"{expression!r} is no schedule: {error}") from error

    def next_fire(after: datetime) -> datetime | None:
        found: datetime | None = trigger.get_next_fire_time(None, after + timedelta(microseconds=1))
        return found.astimezone(UTC) if found is not None else None

    if next_fire(datetime(2026, 1, 1, tzinfo=UTC)) is None:
        raise ScheduleError(f"{expression!r} never comes")
    return next_fire
