from datetime import UTC, datetime, timedelta, timezone

from yoyaku.testkit.clock import START


def test_it_stands_still_until_it_is_moved(clock):
    assert clock() == clock() == START
    assert clock.advance(seconds=90) == START + timedelta(seconds=90) == clock.now()


def test_a_time_of_another_zone_is_told_in_utc(clock):
    tokyo = timezone(timedelta(hours=9))
    clock.set(datetime(2026, 4, 1, 9, 0, tzinfo=tokyo))
    assert clock() == datetime(2026, 4, 1, 0, 0, tzinfo=UTC)
    assert clock().tzinfo is UTC
