import pytest
from hypothesis import given
from hypothesis import strategies as st

from yoyaku.messaging.outcomes import (
    DeadLetter,
    DependencyUnavailableError,
    Reject,
    Retry,
    RetryLater,
    RetryPolicy,
    decide,
    pauses,
)
from yoyaku.postgres.errors import ConstraintViolatedError, DatabaseUnavailableError, PostgresError

POLICY = RetryPolicy(max_attempts=5, first_delay_seconds=0.5, max_delay_seconds=60.0, jitter=0.25)


def outcome(error: Exception, *, attempt: int = 1, delivered_count: int = 1) -> Retry | DeadLetter:
    return decide(error, attempt=attempt, delivered_count=delivered_count, max_deliver=25, policy=POLICY)


@pytest.mark.requirement("EV-05")
@given(attempt=st.integers(1, 2000), chance=st.floats(0, 1, exclude_max=True))
def test_delays_double_up_to_the_longest_within_the_jitter(attempt: int, chance: float) -> None:
    middle = min(0.5 * 2.0 ** min(attempt - 1, 60), 60.0)
    assert 0.75 * middle <= POLICY.delay_seconds(attempt, chance=lambda: chance) <= 1.25 * middle


@pytest.mark.requirement("EV-05")
def test_a_failed_attempt_is_retried_until_the_fifth() -> None:
    assert all(isinstance(outcome(ValueError(), attempt=n), Retry) for n in range(1, 5))
    assert outcome(ValueError(), attempt=5) == DeadLetter("failed 5 times")


@pytest.mark.requirement("EV-05")
def test_a_handler_may_choose_the_delay_but_not_retry_for_ever() -> None:
    assert outcome(RetryLater(7.5), attempt=4) == Retry(7.5)
    assert isinstance(outcome(RetryLater(7.5), attempt=5), DeadLetter)


@pytest.mark.requirement("EV-05")
def test_a_rejected_event_is_dead_at_once_with_its_reason() -> None:
    assert outcome(Reject("no such room")) == DeadLetter("no such room")


@pytest.mark.requirement("EV-05")
def test_the_last_delivery_of_the_server_is_the_last_attempt() -> None:
    assert isinstance(outcome(ValueError(), delivered_count=24), Retry)
    assert isinstance(outcome(ValueError(), delivered_count=25), DeadLetter)


@pytest.mark.requirement("EV-05")
def test_only_what_is_away_pauses() -> None:
    assert pauses(DependencyUnavailableError())
    assert pauses(DatabaseUnavailableError("gone"))
    assert not pauses(PostgresError("bad"))
    assert not pauses(RetryLater(1))
    assert not pauses(ConnectionError())
    assert issubclass(ConstraintViolatedError, PostgresError)
