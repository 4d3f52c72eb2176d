"""Moments as clients write them."""

from datetime import UTC, datetime

import pytest
from pydantic import TypeAdapter, ValidationError

from yoyaku.booking.entrypoints.http.schemas.fields import InputTime

MOMENT: TypeAdapter[datetime] = TypeAdapter(InputTime)


def read(text: str) -> datetime:
    return MOMENT.validate_json(text, strict=True)


@pytest.mark.requirement("BK-02", "GW-02")
@pytest.mark.parametrize(
    "text",
    [
        "2031-01-01T09:00:00+09:00", "2031-01-01T00:00:00Z", "2031-01-01t00:00:00z", "2031-01-01T00:00:00-00:00",
        "2031-01-01T00:00:00.000Z", "2030-12-31T14:00:00-10:00", "2031-01-01T00:00:00.000000000+00:00",
    ],
)  # fmt: skip
def test_one_moment_in_many_ways(text: str) -> None:
    moment = read(f'"{text}"')
    assert moment.utcoffset() is not None
    assert moment.astimezone(UTC) == datetime(2031, 1, 1, tzinfo=UTC)


@pytest.mark.requirement("BK-02", "GW-02")
@pytest.mark.parametrize(
    "text",
    [
        '"1925000000"', '"1925000000.5"', "1925000000", "1.5", "true", "null", "[]", '""', '"now"', '"2031-01-01"',
        '"2031-01-01T09:00:00"', '"2031-01-01T09:00Z"', '"2031-01-01 09:00:00Z"', '"20310101T090000Z"',
        '"2031-01-01T09:00:00+0900"', '"2031-01-01T09:00:00+09"', '"2031-01-01T24:00:00Z"', '"2031-02-30T09:00:00Z"',
        '"2031-06-30T23:59:60Z"', '"2031-01-01T09:00:00+24:00"', '"2031-W01-1T09:00:00Z"', '"9999-12-31T23:59:59Z"',
        '"9999-12-31T23:59:59-23:59"', '"0001-01-01T00:00:00+23:59"', '"0000-01-01T00:00:00Z"',
        '"+2031-01-01T00:00:00Z"', '"-2031-01-01T00:00:00Z"', '" 2031-01-01T00:00:00Z"', '"２０３１-01-01T00:00:00Z"',
        '"2031-01-01T00:00:00.Z"', '"2031-01-01T00:00:00Z\\\\u0000"',
    ],
)  # fmt: skip
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(ValidationError) as raised:
        read(text)
    assert all(detail["type"].startswith(("datetime", "absurd_time", "json")) for detail in raised.value.errors())
