"""The order of the story, and its performance."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import httpx

from yoyaku.client import YoyakuError
from yoyaku.embedded.story.alternatives import something_else_is_free
from yoyaku.embedded.story.attack import attacker_is_blocked
from yoyaku.embedded.story.audit import everything_is_recorded
from yoyaku.embedded.story.backup import backup_taken_and_read
from yoyaku.embedded.story.cancellation import cancel_with_reason
from yoyaku.embedded.story.closure import room_is_closed
from yoyaku.embedded.story.crash import killed_in_a_burst
from yoyaku.embedded.story.facts import ChapterBrokenError
from yoyaku.embedded.story.first_booking import same_room_again, sign_in_and_book
from yoyaku.embedded.story.history import what_became_of_it
from yoyaku.embedded.story.moving_in import calendar_moves_in
from yoyaku.embedded.story.opening import rooms_and_people
from yoyaku.embedded.story.proof import booking_is_proven
from yoyaku.embedded.story.race import hundred_for_one
from yoyaku.embedded.story.reschedule import moved_from_two_windows
from yoyaku.embedded.story.session import session_is_renewed
from yoyaku.embedded.story.stage import Stage
from yoyaku.embedded.story.traces import drawn_as_trees
from yoyaku.embedded.telemetry_client import TelemetryUnavailableError


@dataclass(frozen=True, slots=True)
class Chapter:
    """A part of the story."""

    title: str
    play: Callable[[Stage], Awaitable[None]]


CHAPTERS = (
    Chapter("Rooms and people", rooms_and_people),
    Chapter("A booking", sign_in_and_book),
    Chapter("The same room again", same_room_again),
    Chapter("A hundred for one", hundred_for_one),
    Chapter("Something else is free", something_else_is_free),
    Chapter("The room is closed", room_is_closed),
    Chapter("A change of plans", moved_from_two_windows),
    Chapter("What became of it", what_became_of_it),
    Chapter("A change of mind", cancel_with_reason),
    Chapter("Moving in", calendar_moves_in),
    Chapter("A session is renewed", session_is_renewed),
    Chapter("An attacker and a neighbour", attacker_is_blocked),
    Chapter("A backup", backup_taken_and_read),
    Chapter("Everything is on record", everything_is_recorded),
    Chapter("Proof for an outsider", booking_is_proven),
    Chapter("kill -9", killed_in_a_burst),
    Chapter("Three traces", drawn_as_trees),
)


async def perform(stage: Stage, chapters: tuple[Chapter, ...] = CHAPTERS) -> dict[str, float]:
    """Play the chapters in order; return the seconds each took.

    A chapter that cannot go on is stated as a fact that did not hold, and the next one is played: a later chapter
    that needs what is missing says so itself.
    """
    took = {}
    for number, chapter in enumerate(chapters, start=1):
        stage.chapter_name = chapter.title
        stage.narrator.chapter(number, chapter.title)
        began = time.monotonic()
        try:
            with stage.narrator.busy(chapter.title):
                await chapter.play(stage)
        except (
            ChapterBrokenError,
            httpx.HTTPError,
            TelemetryUnavailableError,
            YoyakuError,
            KeyError,
            ValueError,
        ) as broken:
            stage.holds("the chapter is played to its end", held=False, seen=f"{type(broken).__name__}: {broken}")
        took[chapter.title] = round(time.monotonic() - began, 3)
    return took
