from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yoyaku.audit_log.domain.month import MalformedMonthError, Month


@given(st.datetimes(timezones=st.just(UTC)).filter(lambda moment: 2 <= moment.year <= 9998))
def test_a_moment_is_in_exactly_one_month(moment: datetime) -> None:
    month = Month.of(moment)
    assert month.begins_at <= moment < month.ends_at == month.plus(1).begins_at
    assert Month.parse(str(month)) == month
    assert month.plus(-1) < month < month.plus(1)


def test_the_month_is_that_of_utc() -> None:
    first_of_december_in_tokyo = datetime(2026, 12, 1, 8, 59, tzinfo=timezone(timedelta(hours=9)))
    assert Month.of(first_of_december_in_tokyo) == Month(2026, 11)


@pytest.mark.parametrize("text", ["", "2026-13", "2026-00", "0000-01", "26-01", "2026-1", "2026-01-01", "２０２６-01"])
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(MalformedMonthError):
        Month.parse(text)
