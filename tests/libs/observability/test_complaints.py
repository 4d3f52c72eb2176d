"""One line a minute for each kind of complaint."""

import logging

from yoyaku.observability.complaints import ComplaintLimit


def record(name: str, message: str = "Failed to export", level: int = logging.ERROR) -> logging.LogRecord:
    return logging.LogRecord(name, level, __file__, 1, message, (), None)


def test_one_a_minute_for_each_kind_with_the_number_held_back() -> None:
    now = [1000.0]
    limit = ComplaintLimit(clock=lambda: now[0])
    assert [limit.admit(record("traces")) for _ in range(4)] == [0, None, None, None]
    assert limit.admit(record("logs")) == 0
    now[0] += 59.9
    assert limit.admit(record("traces")) is None
    now[0] += 0.1
    assert limit.admit(record("traces")) == 4
    assert limit.admit(record("traces")) is None


def test_announced_retries_are_not_news_and_take_no_turn() -> None:
    limit = ComplaintLimit()
    retry = record("traces", "Transient error %s encountered while exporting %s batch", logging.WARNING)
    assert limit.admit(retry) is None
    assert limit.admit(record("traces")) == 0


def test_quiet_records_pass() -> None:
    limit = ComplaintLimit()
    assert [limit.admit(record("traces", "detail", logging.DEBUG)) for _ in range(3)] == [0, 0, 0]
