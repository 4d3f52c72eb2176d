"""When a tree must not go on, whatever the database and the world outside know."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yoyaku.audit_log.domain.epoch_numbers import LARGEST_EPOCH, next_number
from yoyaku.audit_log.domain.epochs import (
    Divergence,
    KnownCheckpoint,
    Stated,
    contradiction,
    known_checkpoint,
    sizes_to_compare,
)
from yoyaku.audit_log.domain.new_entry import Epoch, origin_of
from yoyaku.tlog.checkpoint import Checkpoint
from yoyaku.tlog.errors import TlogError, UnverifiedNoteError
from yoyaku.tlog.keys import SigningKey

pytestmark = pytest.mark.requirement("AU-02")

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def epoch(number: int, environment: str = "test") -> Epoch:
    return Epoch(number, origin_of(environment, number), 100, NOON)


def root(size: int, side: int = 0) -> bytes:
    return bytes([size, side]) * 16


def known(number: int, size: int, side: int = 0) -> KnownCheckpoint:
    return KnownCheckpoint(number, size, root(size, side), "note", "somebody")


def compared(number: int, size: int, *outside: KnownCheckpoint, environment: str = "test") -> object:
    roots = {at: root(at) for at in sizes_to_compare(epoch(number), size, outside)}
    found = contradiction(epoch(number), size, roots, outside, environment, stated=Stated(is_signed=True))
    return None if found is None else (found.divergence, found.known, found.next_epoch)


def test_a_tree_goes_on_that_holds_all_that_is_known_of_it() -> None:
    assert compared(1, 0) is None
    assert compared(1, 9, known(1, 9), known(1, 4)) is None
    assert compared(3, 9, known(2, 50), known(3, 9)) is None


def test_a_database_that_went_back_begins_a_new_tree() -> None:
    assert compared(1, 9, known(1, 10), known(1, 4)) == (Divergence.TRUNCATED, known(1, 10), 2)
    assert compared(1, 90, known(1, 90), known(2, 3)) == (Divergence.TRUNCATED, known(2, 3), 3)
    assert compared(1, 0, known(1, 1), known(4, 3)) == (Divergence.TRUNCATED, known(4, 3), 5)


def test_a_database_that_was_rewritten_begins_a_new_tree() -> None:
    assert compared(2, 9, known(2, 9, 1)) == (Divergence.FORKED, known(2, 9, 1), 3)
    assert compared(2, 9, known(2, 5, 1), known(2, 9)) == (Divergence.FORKED, known(2, 5, 1), 3)


def test_a_database_of_another_environment_is_not_continued_under_that_name() -> None:
    assert compared(2, 9, environment="staging") == (Divergence.MOVED, None, 3)
    assert compared(2, 9, known(1, 50), environment="staging") == (Divergence.MOVED, None, 3)
    assert not Divergence.MOVED.is_violation


checkpoints = st.lists(st.builds(known, st.integers(1, 4), st.integers(0, 9), st.integers(0, 1)), max_size=5)


@given(st.integers(1, 3), st.integers(0, 9), checkpoints)
def test_no_origin_is_used_twice_and_nothing_true_is_abandoned(
    number: int, size: int, outside: list[KnownCheckpoint]
) -> None:
    roots = {at: root(at) for at in sizes_to_compare(epoch(number), size, outside)}
    found = contradiction(epoch(number), size, roots, outside, "test")
    holds = all(
        one.epoch < number or (one.epoch == number and one.size <= size and one.root == root(one.size))
        for one in outside
    )
    assert (found is None) is holds
    if found is not None:
        assert found.next_epoch > max(number, *(one.epoch for one in outside))


def test_only_signed_checkpoints_of_the_origin_asked_for_are_believed() -> None:
    key = SigningKey("audit.yoyaku/test/2", b"\x01" * 32)
    note = Checkpoint(key.name, 7, root(7)).sign([key]).encode().decode()
    found = known_checkpoint(note, key.name, [key.verifier], "somebody")
    assert found == KnownCheckpoint(2, 7, root(7), note, "somebody")
    with pytest.raises(UnverifiedNoteError, match="not of 'audit"):
        known_checkpoint(note, "audit.yoyaku/test/1", [key.verifier], "somebody")
    with pytest.raises(TlogError):
        known_checkpoint(note, key.name, [SigningKey(key.name, b"\x02" * 32).verifier], "somebody")


NEVER_OF = {
    "another number": (Epoch(2, origin_of("test", 3), 100, NOON), Stated()),
    "no origin": (Epoch(2, "x" * 400, 100, NOON), Stated()),
    "the largest integer": (Epoch(2**31 - 1, origin_of("test", 2), 100, NOON), Stated()),
    "far above the others": (epoch(900_000_000), Stated(numbers=frozenset({1, 2}))),
    "other than its first entry says": (epoch(2), Stated(origins=frozenset({origin_of("test", 1)}))),
    "another environment that nothing signed names": (epoch(2, "staging"), Stated()),
    "another environment than its checkpoints": (
        epoch(2, "staging"),
        Stated(origins=frozenset({origin_of("test", 2)}), is_signed=True),
    ),
}


@pytest.mark.parametrize("case", NEVER_OF)
def test_an_epoch_that_the_log_cannot_have_written_is_a_violation(case: str) -> None:
    row, stated = NEVER_OF[case]
    found = contradiction(row, 9, {}, [], "test", stated=stated)
    assert found is not None
    assert found.divergence.is_violation
    assert found.detail
    assert found.next_epoch not in {row.number, *stated.numbers}


def test_another_environment_is_not_believed_when_this_one_s_epoch_is_known() -> None:
    for one in (known(2, 4), known(2, 40), known(7, 1)):
        found = contradiction(epoch(2, "staging"), 9, {4: root(4)}, [one], "test", stated=Stated(is_signed=True))
        assert found is not None
        assert found.divergence.is_violation
        assert found.known == one


numbers = st.one_of(st.integers(1, 12), st.integers(1, 2**31 - 1), st.integers(999_999_990, 1_000_000_010))


@given(st.frozensets(numbers, max_size=8), st.frozensets(st.integers(1, 50), max_size=4))
def test_the_next_number_is_free_and_above_all_that_is_plausible(
    stored: frozenset[int], vouched: frozenset[int]
) -> None:
    number = next_number(stored, vouched)
    assert 1 <= number <= LARGEST_EPOCH
    assert number not in stored | vouched
    assert all(number > one for one in vouched | {one for one in stored if one <= 10_000})


def test_numbers_may_run_out_and_one_is_still_free() -> None:
    assert next_number({LARGEST_EPOCH - 1, 1}, [LARGEST_EPOCH - 1]) in {2, LARGEST_EPOCH}
    assert next_number({LARGEST_EPOCH, 1}, [LARGEST_EPOCH - 1]) == 2
