"""The number of a tree that begins now, whatever numbers are stored.

Invariant: it is free, between 1 and `LARGEST_EPOCH`, and above every number that anybody can have given honestly.
"""

from collections.abc import Collection, Iterable
from itertools import count
from typing import Final

LARGEST_EPOCH: Final = 999_999_999
"""Nine digits: what an origin may name, here and at the witness."""
LARGEST_STEP: Final = 10_000
"""A number further above those before it was written by nobody who counts: epochs are opened one at a time."""


def last_plausible(stored: Iterable[int], vouched: Iterable[int] = ()) -> int:
    """Return the largest number that can have been given; 0 without any.

    `stored`: those in the database, which a superuser may have written. `vouched`: those of verified checkpoints.
    """
    reached = max((one for one in vouched if one < LARGEST_EPOCH), default=0)
    for number in sorted(set(stored)):
        if number > reached + LARGEST_STEP or number >= LARGEST_EPOCH:
            break
        reached = max(reached, number)
    return reached


def next_number(stored: Collection[int], vouched: Collection[int]) -> int:
    """Give the number for a new tree. Should none be left above all, the smallest that is free."""
    above = last_plausible(stored, vouched) + 1
    taken = {*stored, *vouched}
    return above if above not in taken else next(number for number in count(1) if number not in taken)
