import pytest

from yoyaku.messaging import relay_pauses
from yoyaku.messaging.relay_pauses import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, ShardPauses

pytestmark = pytest.mark.requirement("EV-03")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(relay_pauses, "time", clock)
    return clock


def test_a_failed_shard_rests_longer_each_time_up_to_a_limit(time) -> None:
    pauses = ShardPauses()
    expected = FIRST_PAUSE_SECONDS
    for _ in range(12):
        pauses.note({7: "full"}, [3])
        assert pauses.resting() == [7]
        time.now += expected - 0.001
        assert pauses.resting() == [7]
        time.now += 0.002
        assert pauses.resting() == []
        assert pauses.careful() == {7}
        expected = min(LONGEST_PAUSE_SECONDS, expected * 2)


def test_going_forward_ends_the_rest(time) -> None:
    pauses = ShardPauses()
    pauses.note({7: "full"}, [])
    pauses.note({}, [7])
    assert (pauses.resting(), pauses.careful()) == ([], frozenset())


def test_going_forward_and_failing_in_one_round_is_failing(time) -> None:
    pauses = ShardPauses()
    pauses.note({7: "full"}, [7])
    assert pauses.resting() == [7]


def test_a_lasting_failure_is_one_warning_and_its_end_one_line(time, lines) -> None:
    pauses = ShardPauses()
    for shard in range(50):
        pauses.note({shard % 3: "full"}, [])
    assert lines == ["WARNING events cannot be published and wait in the outbox full"]
    pauses.note({1: "no stream"}, [0, 2])
    pauses.note({}, [1])
    assert lines[1:] == [
        "WARNING events cannot be published and wait in the outbox no stream",
        "INFO events are published again",
    ]
    pauses.note({}, [1])
    assert len(lines) == 3
