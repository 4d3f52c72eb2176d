"""A month of recording, in UTC: what partitions hold and what is sealed together."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final, Self

_TEXT: Final = re.compile(r"(?P<year>[0-9]{4})-(?P<month>0[1-9]|1[0-2])", re.ASCII)


class MalformedMonthError(ValueError):
    """A text is no month."""

    def __init__(self, text: str) -> None:
        super().__init__(f"a month is written like 2026-11, not {text[:20]!r}")


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """One calendar month of UTC; later ones are greater."""

    year: int
    month: int

    @classmethod
    def of(cls, moment: datetime) -> Self:
        """Return the month that holds an aware moment."""
        utc = moment.astimezone(UTC)
        return cls(utc.year, utc.month)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `2026-11`. Raises MalformedMonthError."""
        found = _TEXT.fullmatch(text)
        if found is None or found["year"] == "0000":
            raise MalformedMonthError(text)
        return cls(int(found["year"]), int(found["month"]))

    @property
    def first_day(self) -> date:
        """The first day."""
        return date(self.year, self.month, 1)

    @property
    def begins_at(self) -> datetime:
        """The first moment."""
        return datetime(self.year, self.month, 1, tzinfo=UTC)

    @property
    def ends_at(self) -> datetime:
        """The first moment after it."""
        return self.plus(1).begins_at

    def plus(self, months: int) -> "Month":
        """Return the month so many months later."""
        years, index = divmod(self.month - 1 + months, 12)
        return Month(self.year + years, index + 1)

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.month:02d}"
