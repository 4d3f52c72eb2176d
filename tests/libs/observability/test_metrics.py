"""Buckets by unit, and blocks that are timed."""

import itertools

import pytest

from yoyaku.observability.metrics import BYTE_BUCKETS, SECOND_BUCKETS, meter, timed
from yoyaku.observability.testing import recorded_metrics


def test_buckets_rise_and_hold_the_goals() -> None:
    for buckets in (SECOND_BUCKETS, BYTE_BUCKETS):
        assert all(low < high for low, high in itertools.pairwise(buckets))
    assert {0.1, 0.3, 1.0} <= set(SECOND_BUCKETS)


def test_a_timed_block_is_counted_with_its_outcome() -> None:
    recorded = recorded_metrics()
    histogram = meter("test").create_histogram("yoyaku.test.duration", unit="s")
    with timed(histogram, {"stream": "BOOKING"}):
        pass
    with pytest.raises(KeyError), timed(histogram, {"stream": "BOOKING"}):
        raise KeyError
    assert recorded.value("yoyaku.test.duration", stream="BOOKING") == 1
    assert recorded.value("yoyaku.test.duration", stream="BOOKING", error_type="KeyError") == 1
    assert recorded.value("yoyaku.test.duration") is None
    assert "yoyaku.test.duration" in recorded.names()
