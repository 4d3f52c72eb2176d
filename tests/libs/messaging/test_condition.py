from yoyaku.messaging.condition import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, Condition


def test_pauses_grow_to_a_limit_and_start_again() -> None:
    condition = Condition(away="away", back="back")
    pauses = [condition.is_away("x") for _ in range(10)]
    assert pauses[0] == FIRST_PAUSE_SECONDS
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE_SECONDS
    condition.is_back()
    assert condition.is_away("x") == FIRST_PAUSE_SECONDS


def test_it_speaks_once_when_it_goes_and_once_when_it_is_back(lines) -> None:
    condition = Condition(away="it is away", back="it is back")
    condition.is_back()
    for _ in range(20):
        condition.is_away("refused")
    condition.is_back()
    condition.is_back()
    assert lines == ["WARNING it is away refused", "INFO it is back"]
