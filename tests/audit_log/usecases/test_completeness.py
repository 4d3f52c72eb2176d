"""Looks, wishes and statements, with the rows, the outboxes and the streams played by fakes."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from yoyaku.audit_log.domain.completeness import Counted, GapReason, Handled, Resolution
from yoyaku.audit_log.domain.numbers import Interval, Numbers
from yoyaku.audit_log.usecases.ask_again import WISHES_A_TIME, AskAgain
from yoyaku.audit_log.usecases.check_completeness import CheckCompleteness
from yoyaku.audit_log.usecases.completeness_ports import (
    Examined,
    Gap,
    Range,
    Resent,
    SourceState,
    Standing,
    Statement,
)
from yoyaku.audit_log.usecases.state_completeness import StateCompleteness
from yoyaku.audit_log.usecases.tell_completeness import TellCompleteness

pytestmark = pytest.mark.requirement("AU-04")

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
A, OWN = "/booking/07", "/audit-log/00"
SOURCES = (A, OWN)


def numbers(*intervals: tuple[int, int]) -> Numbers:
    return Numbers.of(intervals)


@dataclass
class FakeBook:
    """Keeps everything in memory; a transaction writes at once, since none of these tests lets one fail."""

    recorded: dict[str, set[int]] = field(default_factory=lambda: {source: set() for source in SOURCES})
    checked: dict[str, int] = field(default_factory=dict)
    stated: dict[str, tuple[int, int]] = field(default_factory=dict)
    gaps: list[Gap] = field(default_factory=list)
    told: list[tuple[str, str, tuple[int, int]]] = field(default_factory=list)
    statements: list[Statement] = field(default_factory=list)
    moved: bool = True
    now_standing: Standing = field(default_factory=lambda: Standing(0, None, (), None, 0))
    ids: "count[int]" = field(default_factory=lambda: count(1))

    async def standing(self) -> Standing:
        return self.now_standing

    async def sources(self, sources: Sequence[str]) -> Sequence[SourceState]:
        return [
            SourceState(
                one, self.checked.get(one, 0), max(self.recorded[one], default=0), *self.stated.get(one, (0, 0))
            )
            for one in sources
        ]

    async def examine(self, ranges: Sequence[Range]) -> Sequence[Examined]:
        return [
            Examined(
                numbers(*((n, n) for n in range(one.after + 1, one.to + 1) if n not in self.recorded[one.source])),
                one.to,
            )
            for one in ranges
        ]

    async def open_gaps(self) -> Sequence[Gap]:
        return list(self.gaps)

    async def has_moved(self, from_position: int, stated_at: datetime | None, apart_from: Sequence[str]) -> bool:
        return self.moved

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["FakeBook"]:
        yield self

    async def open_gap(self, source: str, reason: GapReason, found: Numbers, found_at: datetime) -> None:
        for one in found:
            self.gaps.append(Gap(next(self.ids), source, one, reason, found_at, None, 0))
            self.told.append(("found", reason.value, tuple(one)))

    async def close_gap(self, gap: Gap, closed: Numbers, resolution: Resolution, closed_at: datetime) -> None:
        [kept] = [one for one in self.gaps if one.gap_id == gap.gap_id]
        self.gaps.remove(kept)
        again = 0 if resolution is Resolution.ARRIVED else kept.asked_count
        for left in numbers(gap.interval) - closed:
            self.gaps.append(replace(kept, gap_id=next(self.ids), interval=left, asked_count=again))
        self.told += [("closed", resolution.value, tuple(one)) for one in closed]

    async def note_asked(self, gap: Gap, asked_at: datetime) -> None:
        self.gaps = [
            replace(one, asked_at=asked_at, asked_count=one.asked_count + 1) if one.gap_id == gap.gap_id else one
            for one in self.gaps
        ]

    async def note_look(self, checked_to: Mapping[str, int], looked_at: datetime, unanswered: Sequence[str]) -> None:
        self.checked |= checked_to

    async def state(self, statement: Statement, stated_at: datetime, position: int) -> None:
        self.statements.append(statement)
        for source, number in statement.complete_to.items():
            self.stated[source] = (number, statement.lost.get(source, 0))
        self.now_standing = replace(self.now_standing, stated_at=stated_at, stated_position=position)


@dataclass
class FakeOutboxes:
    answers: dict[str, Counted] = field(default_factory=dict)
    lost: Numbers = field(default_factory=Numbers)
    is_away: bool = False
    wishes: list[Interval] = field(default_factory=list)
    numbers_a_wish: int = 5

    async def counted(self) -> tuple[Mapping[str, Counted], Sequence[str]]:
        return ({}, ["booking"]) if self.is_away else (self.answers, [])

    async def resend(self, source: str, interval: Interval) -> Resent | None:
        if self.is_away:
            return None
        self.wishes.append(interval)
        return Resent(self.answers[source].published, self.lost & numbers(interval))


class DrainedStreams:
    async def progress(self) -> tuple[Mapping[str, int], Mapping[str, Handled]]:
        return {"BOOKING": 9}, {"BOOKING": Handled(0, is_drained=True)}


@dataclass
class World:
    book: FakeBook = field(default_factory=FakeBook)
    outboxes: FakeOutboxes = field(default_factory=FakeOutboxes)
    now: datetime = NOON

    def __post_init__(self) -> None:
        self.check = CheckCompleteness(
            self.book,
            self.outboxes,
            DrainedStreams(),
            sources=SOURCES,
            grace_seconds=30,
            now=lambda: self.now,
            seconds=lambda: self.now.timestamp(),  # noqa: PLW0108  the present one each time
        )
        self.ask_again = AskAgain(self.book, self.outboxes, first_pause=timedelta(minutes=1), now=lambda: self.now)
        self.state = StateCompleteness(
            self.book, sources=SOURCES, own_sources="/audit-log/", every=timedelta(hours=1), now=lambda: self.now
        )

    def have(self, *values: int, published: int, last: int | None = None, first_waiting: int | None = None) -> None:
        self.book.recorded[A] = set(values)
        self.outboxes.answers[A] = Counted(published if last is None else last, published, first_waiting)

    async def look_twice(self) -> None:
        await self.check()
        self.now += timedelta(minutes=1)
        await self.check()


@pytest.fixture
def world() -> World:
    return World()


async def test_a_deleted_message_is_found_asked_for_and_closed_when_it_comes(world: World) -> None:
    world.have(1, 2, 4, published=5)
    await world.look_twice()
    assert world.book.told == [("found", "missing", (3, 3)), ("found", "unsent", (5, 5))]
    assert (await world.ask_again()).gaps == 2
    assert world.outboxes.wishes == [(3, 3), (5, 5)]
    world.book.recorded[A] |= {3}
    await world.check()
    assert world.book.told[2:] == [("closed", "arrived", (3, 3))]
    assert [gap.interval for gap in world.book.gaps] == [(5, 5)]
    await world.check()
    assert len(world.book.told) == 3
    assert world.book.checked[A] == 5


async def test_a_source_that_is_checked_anew_has_no_gap_found_twice(world: World) -> None:
    world.have(1, 2, 4, published=4)
    await world.look_twice()
    world.book.checked.clear()
    await world.look_twice()
    assert world.book.told == [("found", "missing", (3, 3))]
    assert world.book.checked[A] == 4


async def test_what_the_outbox_no_longer_has_is_named_as_lost_once(world: World) -> None:
    world.have(1, 2, 5, published=5)
    world.outboxes.lost = numbers((3, 3))
    await world.look_twice()
    assert (await world.ask_again()).lost == [(A, numbers((3, 3)))]
    assert world.book.told == [
        ("found", "missing", (3, 4)), ("closed", "lost", (3, 3)), ("found", "lost_at_source", (3, 3)),
    ]  # fmt: skip
    world.now += timedelta(days=2)
    await world.look_twice()
    await world.ask_again()
    assert world.outboxes.wishes == [(3, 4), (4, 4)]
    assert len(world.book.told) == 3


async def test_a_row_lost_before_it_was_published_is_named_too(world: World) -> None:
    world.have(1, 2, published=2, last=6, first_waiting=5)
    await world.look_twice()
    await world.ask_again()
    assert world.book.told == [("found", "lost_at_source", (3, 4))]
    assert world.outboxes.wishes == []
    assert world.book.checked[A] == 4


async def test_what_a_full_stream_holds_up_is_no_gap(world: World) -> None:
    # Decision 0021: 6 was stored while the larger 5 was refused. The producer still has 5, and says so.
    world.have(1, 2, 3, 4, 6, published=4, last=7, first_waiting=5)
    await world.look_twice()
    assert (world.book.told, world.book.checked[A]) == ([], 4)
    world.have(1, 2, 3, 4, 5, 6, 7, published=7)
    await world.check()
    assert (world.book.told, world.book.checked[A]) == ([], 7)


async def test_what_a_silent_producer_holds_up_is_a_gap_that_closes_by_itself(world: World) -> None:
    world.have(1, 2, 3, 4, 6, published=4, last=7)
    world.outboxes.is_away = True
    await world.look_twice()
    assert (await world.ask_again()).gaps == 0
    assert world.book.told == [("found", "missing", (5, 5))]
    world.book.recorded[A] |= {5, 7}
    await world.check()
    assert world.book.told[1:] == [("closed", "arrived", (5, 5))]
    assert (world.book.gaps, world.book.checked[A]) == ([], 7)


async def test_a_producer_put_back_is_found_once_and_done_when_it_has_caught_up(world: World) -> None:
    world.have(*range(1, 21), published=20)
    await world.look_twice()
    world.have(*range(1, 21), published=12)
    await world.check()
    await world.check()
    world.have(*range(1, 21), published=15)
    await world.check()
    assert world.book.told == [("found", "source_went_back", (13, 20))]
    assert (await world.ask_again()).gaps == 0
    world.have(*range(1, 22), published=21)
    await world.check()
    assert world.book.told[1:] == [("closed", "caught_up", (13, 20))]
    assert (world.book.gaps, world.book.checked[A]) == ([], 21)


async def test_an_outbox_that_was_emptied_went_back_to_nothing(world: World) -> None:
    world.have(1, 2, published=0)
    await world.check()
    assert world.book.told == [("found", "source_went_back", (1, 2))]


async def test_a_long_gap_is_asked_for_in_parts_and_at_most_so_much_at_a_time(world: World) -> None:
    world.have(published=12)
    await world.look_twice()
    await world.ask_again()
    assert world.outboxes.wishes == [(1, 5), (6, 10), (11, 12)]
    await world.ask_again()
    assert len(world.outboxes.wishes) == 3
    world.book.recorded[A] = {1, 2}
    await world.check()
    await world.ask_again()
    assert world.outboxes.wishes[3:] == [(3, 7), (8, 12)]

    endless = World()
    endless.have(published=5 * WISHES_A_TIME + 50)
    await endless.look_twice()
    await endless.ask_again()
    assert len(endless.outboxes.wishes) == WISHES_A_TIME


async def test_a_statement_says_what_changed_since_the_last_one(world: World) -> None:
    world.have(1, 2, 4, published=4)
    world.outboxes.lost = numbers((3, 3))
    await world.look_twice()
    assert await world.state() == Statement({A: 2}, {}, 1)
    await world.ask_again()
    assert await world.state() is None
    world.now += timedelta(hours=1)
    assert await world.state() == Statement({A: 4}, {A: 1}, 0)
    world.now += timedelta(hours=1)
    assert await world.state() is None
    told = await TellCompleteness(world.book, sources=SOURCES)()
    assert [(state.source, reached.complete_to, reached.lost) for state, reached in told.sources] == [(A, 4, 1)]


async def test_a_silent_system_does_not_talk_to_itself(world: World) -> None:
    world.book.recorded[OWN] = {1}
    world.outboxes.answers[OWN] = Counted(1, 1, None)
    world.book.moved = False
    await world.look_twice()
    assert await world.state() is None
    world.book.moved = True
    assert await world.state() == Statement({OWN: 1}, {}, 0)
