"""What a process refuses, in whatever order it hears of it."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yoyaku.booking.domain.denials import Denial, DenialKind, DeniedTokens

NOW = datetime(2026, 4, 1, tzinfo=UTC)
PERSON, SESSION = UUID(int=1), UUID(int=2)


def refused(denied: DeniedTokens, *, issued_at: datetime = NOW, token_id: str = "t", session: UUID = SESSION) -> bool:
    return denied.refuses(token_id=token_id, session_id=session, person_id=PERSON, issued_at=issued_at.timestamp())


@pytest.mark.requirement("ID-04")
def test_a_token_a_session_and_nothing_else() -> None:
    denied = DeniedTokens()
    assert not refused(denied)
    denied.put(Denial(DenialKind.TOKEN, "t", NOW))
    assert refused(denied)
    assert not refused(denied, token_id="u")
    denied.put(Denial(DenialKind.SESSION, str(SESSION), NOW))
    assert refused(denied, token_id="u")
    assert not refused(denied, token_id="u", session=UUID(int=3))


@pytest.mark.requirement("ID-06")
@given(st.permutations([0.0, 0.000001, 0.5, 2.0]))
def test_the_latest_not_before_counts_whatever_comes_last(order: list[float]) -> None:
    denied = DeniedTokens()
    for seconds in order:
        moment = NOW + timedelta(seconds=seconds)
        denied.put(Denial(DenialKind.PERSON, str(PERSON), moment + timedelta(minutes=15), moment))
    latest = NOW + timedelta(seconds=2)
    assert refused(denied, issued_at=latest - timedelta(microseconds=1))
    assert not refused(denied, issued_at=latest)


@pytest.mark.requirement("ID-04")
def test_what_is_over_is_forgotten_and_no_sooner() -> None:
    denied = DeniedTokens()
    denied.put(Denial(DenialKind.TOKEN, "t", NOW))
    denied.put(Denial(DenialKind.SESSION, str(SESSION), NOW))
    denied.put(Denial(DenialKind.PERSON, str(PERSON), NOW, NOW))
    denied.forget_over(NOW - timedelta(microseconds=1))
    assert len(denied) == 3
    denied.forget_over(NOW)
    assert len(denied) == 0


@pytest.mark.parametrize("denial", [Denial(DenialKind.SESSION, "x", NOW), Denial(DenialKind.PERSON, str(PERSON), NOW)])
def test_what_names_nothing_is_refused(denial: Denial) -> None:
    with pytest.raises(ValueError, match=r"UUID|not-before"):
        DeniedTokens().put(denial)
