import io
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from rich.console import Console

from yoyaku.embedded.story.facts import ChapterBrokenError, Facts
from yoyaku.embedded.story.narrator import Narrator
from yoyaku.embedded.story.play import CHAPTERS, Chapter, perform
from yoyaku.embedded.story.stage import Credentials, Stage, problem_of, staged, trace_id_of


class EmptyHouse:
    """A system that is not there."""

    gateway_url = "http://127.0.0.1:9"
    telemetry_url = "http://127.0.0.1:9"
    data = Path("nowhere")

    def pid(self, process: str) -> int | None:
        return None

    def kill(self, process: str) -> int:
        raise KeyError(process)

    async def operate(self, *arguments: str) -> str:
        raise ChapterBrokenError("no coordinator")


@pytest.fixture
def printed() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
async def stage(printed: io.StringIO) -> AsyncIterator[Stage]:
    narrator = Narrator(Console(file=printed, width=100))
    facts = Facts(on_fact=narrator.fact)
    async with staged(EmptyHouse(), narrator, facts, Credentials("admin", "never printed")) as stage:
        yield stage


async def true_chapter(stage: Stage) -> None:
    stage.holds("water is wet", True, "wet")


async def broken_chapter(stage: Stage) -> None:
    stage.must_hold("fire is cold", False, "hot")
    stage.holds("never reached", True, "")


async def test_a_broken_chapter_is_told_and_the_next_is_played(stage: Stage, printed: io.StringIO) -> None:
    took = await perform(stage, (Chapter("One", broken_chapter), Chapter("Two", true_chapter)))
    text = printed.getvalue()
    assert list(took) == ["One", "Two"]
    assert "✗ fire is cold" in text
    assert "seen: hot" in text
    assert "never reached" not in text
    assert "✓ water is wet" in text


async def test_on_a_system_that_is_not_there_every_chapter_fails_and_says_why(
    stage: Stage, printed: io.StringIO
) -> None:
    facts = stage._facts
    await perform(stage)
    assert {fact.chapter for fact in facts.failed} == {chapter.title for chapter in CHAPTERS}
    assert not [fact for fact in facts.stated if fact.held]
    assert "ConnectError" in printed.getvalue()
    assert "never printed" not in printed.getvalue()


async def test_waiting_ends_when_the_condition_holds_or_the_time_is_over(stage: Stage) -> None:
    asked = 0

    async def probe() -> int:
        nonlocal asked
        asked += 1
        return asked

    assert await stage.eventually(probe, lambda seen: seen == 3, within_seconds=30) == 3
    assert await stage.eventually(probe, lambda seen: False, within_seconds=0) == 4


@pytest.mark.parametrize(
    ("headers", "trace_id"),
    [
        ({"X-Trace-Id": "ab" * 16}, "ab" * 16),
        ({"traceparent": f"00-{'cd' * 16}-{'12' * 8}-01"}, "cd" * 16),
        ({}, ""),
    ],
)
def test_the_trace_of_an_answer(headers: dict[str, str], trace_id: str) -> None:
    assert trace_id_of(httpx.Response(200, headers=headers)) == trace_id


def test_only_a_problem_document_is_a_problem() -> None:
    assert problem_of(httpx.Response(409, json={"code": "x"})) == {}
    found = problem_of(
        httpx.Response(409, content=b'{"code": "x"}', headers={"content-type": "application/problem+json"})
    )
    assert found == {"code": "x"}
