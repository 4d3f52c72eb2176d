"""The rule of rotation, held against a family that anybody presents any of its tokens of at any time."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yoyaku.booking.domain.session import (
    GRACE,
    Presented,
    RefreshToken,
    Session,
    SessionRules,
    digest_of,
    judge,
)

START = datetime(2026, 4, 1, tzinfo=UTC)
RULES = SessionRules()


@dataclass
class Family:
    """A session as the use case keeps it, with every token it ever had."""

    now: datetime = START
    revoked_at: datetime | None = None
    tokens: list[RefreshToken] = field(default_factory=list)
    heirs: list[int] = field(default_factory=list)
    """How many successors each token bought."""

    def __post_init__(self) -> None:
        self.issue()

    @property
    def ends_at(self) -> datetime:
        return START + RULES.greatest_age

    @property
    def session(self) -> Session:
        newest = self.tokens[-1].expires_at
        return Session(
            UUID(int=1), UUID(int=2), START, START, newest, self.ends_at, START, "192.0.2.1", self.revoked_at
        )

    def issue(self) -> None:
        digest = len(self.tokens).to_bytes(32, "big")
        expires_at = RULES.expiry(self.now, self.ends_at)
        self.tokens.append(RefreshToken(digest, UUID(int=1), self.now, expires_at))
        self.heirs.append(0)

    def present(self, number: int) -> Presented:
        token = self.tokens[number]
        meant = judge(self.session, token, self.now, RULES)
        if meant is Presented.GOOD:
            self.tokens[number] = replace(token, used_at=self.now)
            self.heirs[number] += 1
            self.issue()
        elif meant is Presented.REUSED:
            self.revoked_at = self.now
        return meant


presentations = st.lists(
    st.tuples(
        st.one_of(st.floats(0, 25), st.floats(0, 40 * 86400)).map(lambda seconds: timedelta(seconds=seconds)),
        st.integers(0, 60),
    ),
    max_size=60,
)


@pytest.mark.requirement("ID-03")
@given(presentations)
def test_whoever_presents_what_and_when(presented: list[tuple[timedelta, int]]) -> None:
    family = Family()
    for waited, choice in presented:
        family.now += waited
        number = len(family.tokens) - 1 - choice % len(family.tokens)
        before = family.tokens[number]
        live = family.revoked_at is None
        meant = family.present(number)
        assert max(family.heirs) <= 1
        assert sum(token.used_at is None for token in family.tokens) == 1
        if not live or family.now >= min(before.expires_at, family.ends_at):
            assert meant is Presented.OVER
        elif before.used_at is None:
            assert meant is Presented.GOOD
        else:
            late = family.now - before.used_at > GRACE
            assert meant is (Presented.REUSED if late else Presented.SUPERSEDED)
            assert (family.revoked_at is not None) == late


@pytest.mark.requirement("ID-03")
@given(st.lists(st.floats(0, 29 * 86400), max_size=40))
def test_a_session_that_is_refreshed_in_time_lives_until_its_greatest_age(waits: list[float]) -> None:
    family = Family()
    for seconds in waits:
        family.now += timedelta(seconds=seconds)
        meant = family.present(len(family.tokens) - 1)
        assert meant is (Presented.GOOD if family.now < family.ends_at else Presented.OVER)


@pytest.mark.requirement("ID-03")
@pytest.mark.parametrize(("seconds", "meant"), [(10, Presented.SUPERSEDED), (10.001, Presented.REUSED)])
def test_the_grace_is_ten_seconds(seconds: float, meant: Presented) -> None:
    family = Family()
    family.present(0)
    family.now += timedelta(seconds=seconds)
    assert family.present(0) is meant


@pytest.mark.requirement("ID-01")
def test_only_a_digest_is_kept_of_what_may_be_a_token() -> None:
    assert digest_of("a") != digest_of("b")
    assert len(digest_of("a") or b"") == 32
    assert digest_of("\u3042") is None
    assert digest_of("x" * 1000) is None
