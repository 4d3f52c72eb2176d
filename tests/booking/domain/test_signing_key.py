"""How one signing key follows another: nobody is logged out, whoever read the keys when."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yoyaku.booking.domain.signing_key import (
    LEAD,
    SLACK,
    TOKEN_LIFETIME,
    KeyAlreadyComingError,
    KeyNotFoundError,
    KeyState,
    SigningKey,
    revoked,
    rotated,
    signer,
    state_of,
)

START = datetime(2026, 4, 1, tzinfo=UTC)
READ_EVERY = timedelta(seconds=2)


def after(keys: list[SigningKey], name: str, now: datetime, *, at_once: bool = False) -> list[SigningKey]:
    rotation = rotated(keys, name, b"p" * 32, now=now, at_once=at_once)
    changed = {key.key_id: key for key in rotation.changed}
    return [*(changed.get(key.key_id, key) for key in keys), rotation.made]


def states(keys: list[SigningKey], now: datetime) -> dict[str, str]:
    return {key.key_id: state_of(key, keys, now).value for key in keys}


@pytest.mark.requirement("ID-08")
def test_the_life_of_two_keys() -> None:
    keys = after([], "one", START)
    assert states(keys, START) == {"one": "signing"}
    turned = START + timedelta(days=90)
    keys = after(keys, "two", turned)
    assert states(keys, turned) == {"one": "signing", "two": "coming"}
    assert all(key.verifies(turned) for key in keys)
    signs = turned + LEAD
    assert states(keys, signs) == {"one": "verifying", "two": "signing"}
    last_of_one = signs + TOKEN_LIFETIME + SLACK
    assert states(keys, last_of_one - timedelta(seconds=1)) == {"one": "verifying", "two": "signing"}
    assert states(keys, last_of_one) == {"one": "over", "two": "signing"}


@pytest.mark.requirement("ID-08")
def test_a_second_new_key_has_to_wait_or_takes_the_place_of_the_first() -> None:
    keys = after(after([], "one", START), "two", START)
    with pytest.raises(KeyAlreadyComingError, match="two"):
        after(keys, "three", START)
    soon = START + LEAD - SLACK / 2
    keys = after(keys, "three", soon, at_once=True)
    for moment in (soon, START + LEAD + timedelta(seconds=1)):
        assert states(keys, moment) == {"one": "verifying", "two": "verifying", "three": "signing"}


@pytest.mark.requirement("ID-08")
def test_a_revoked_key_neither_signs_nor_verifies() -> None:
    keys = after([], "one", START)
    gone = revoked(keys, "one", now=START)
    assert not gone.verifies(START)
    assert signer([gone], START) is None
    assert state_of(gone, [gone], START) is KeyState.REVOKED
    assert revoked([gone], "one", now=START + LEAD) == gone
    with pytest.raises(KeyNotFoundError):
        revoked(keys, "other", now=START)
    assert after([gone], "two", START)[1].signs_from == START


@pytest.mark.requirement("ID-08")
def test_a_key_does_not_sign_what_would_outlive_it() -> None:
    [key] = after([], "one", START)
    ending = replace(key, verifies_until=START + TOKEN_LIFETIME)
    assert not ending.may_sign(START)
    assert replace(key, verifies_until=START + TOKEN_LIFETIME + timedelta(seconds=1)).may_sign(START)


steps = st.lists(
    st.tuples(st.sampled_from(["rotate", "rotate at once", "wait"]), st.sampled_from([0, 1, 60, 119, 121, 400])),
    min_size=1,
    max_size=8,
)
WAITED = (timedelta(), LEAD)
AFTER = (timedelta(), timedelta(seconds=0.5), timedelta(seconds=1.5))
LATE = (timedelta(), READ_EVERY)
CHECKED = (timedelta(), timedelta(seconds=0.5), TOKEN_LIFETIME - timedelta(seconds=0.1))


@pytest.mark.requirement("ID-08")
@given(steps=steps)
def test_every_token_is_believed_everywhere_until_it_ends(steps: list[tuple[str, int]]) -> None:
    keys = after([], "first", START)
    history, now, hasty = [(START, keys)], START, set()
    for number, (what, seconds) in enumerate(steps):
        now += timedelta(seconds=seconds)
        try:
            keys = keys if what == "wait" else after(keys, str(number), now, at_once=what == "rotate at once")
        except KeyAlreadyComingError:
            continue
        history.append((now, keys))
        if what == "rotate at once":
            hasty.add(keys[-1].key_id)

    def seen(moment: datetime, late: timedelta) -> list[SigningKey]:
        read = max(START, moment - late)
        return [known for at, known in history if at <= read][-1]

    for (turned, _), waited, then, signer_late, checked_after, reader_late in itertools.product(
        history, WAITED, AFTER, LATE, CHECKED, LATE
    ):
        signed = turned + waited + then
        by = signer(seen(signed, signer_late), signed)
        assert by is not None
        checked = signed + checked_after
        known = {key.key_id: key for key in seen(checked, reader_late)}
        if by.key_id not in known:
            assert by.key_id in hasty, "a key signed before everyone had read it"
            known = {key.key_id: key for key in seen(checked, LATE[0])}
        assert known[by.key_id].verifies(checked)
