import re
from pathlib import Path

import pytest

from yoyaku.booking import domain
from yoyaku.booking.domain import errors
from yoyaku.booking.domain.errors import BookingError
from yoyaku.booking.entrypoints.http.problems import TABLE, Problem, problem_of, unexpected
from yoyaku.booking.entrypoints.http.texts.catalogue import FIELD_TEXTS, PROBLEM_TEXTS
from yoyaku.booking.entrypoints.http.texts.language import LANGUAGES, negotiate
from yoyaku.postgres.errors import ConstraintViolatedError, DatabaseUnavailableError

SOURCES = Path(domain.__file__).parents[1]


def subclasses(kind: type[BookingError]) -> set[type[BookingError]]:
    return {kind, *(deeper for direct in kind.__subclasses__() for deeper in subclasses(direct))}


@pytest.mark.requirement("GW-02")
def test_every_error_has_its_place_in_the_table() -> None:
    assert subclasses(BookingError) - {BookingError, errors.ConflictError} == set(TABLE)


@pytest.mark.requirement("GW-02", "BK-10")
def test_every_code_has_its_texts_in_both_languages() -> None:
    sources = [path.read_text() for path in SOURCES.rglob("*.py")]
    used = {code for text in sources for code in re.findall(r'Problem\(\s*\d+,\s*"([a-z-]+)"', text)}
    assert used | {entry.code for entry in TABLE.values()} <= set(PROBLEM_TEXTS)
    violated = {code for text in sources for code in re.findall(r'Violation\(\s*[\w"-]+,\s*"([a-z-]+)"', text)}
    assert violated
    assert violated <= set(FIELD_TEXTS)
    for texts in (*PROBLEM_TEXTS.values(), *FIELD_TEXTS.values()):
        assert set(texts) == set(LANGUAGES)


@pytest.mark.requirement("BK-10")
def test_the_classic_texts_stay_as_they_are() -> None:
    assert PROBLEM_TEXTS["room-already-reserved"]["ja"].detail == "入力の時間帯はすでに予約済みです。"
    assert PROBLEM_TEXTS["room-not-bookable"]["ja"].detail == "入力の日付・部屋の組合わせは予約できません。"


@pytest.mark.requirement("GW-02")
def test_what_nobody_expected_says_nothing() -> None:
    assert problem_of(ValueError("secret")) is None
    assert problem_of(ConstraintViolatedError("x", "23505")) is None
    body = unexpected().render("en").body
    assert b"secret" not in bytes(body)
    assert b"detail" not in bytes(body)


@pytest.mark.requirement("GW-06")
def test_a_database_that_is_away_is_worth_another_try() -> None:
    problem = problem_of(DatabaseUnavailableError("away"))
    assert isinstance(problem, Problem)
    assert problem.status == 503
    assert problem.headers["Retry-After"]


@pytest.mark.requirement("BK-10")
@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "en"), ("", "en"), ("ja", "ja"), ("ja-JP,en;q=0.9", "ja"), ("en;q=0.5,ja;q=0.6", "ja"),
        ("fr", "en"), ("*", "en"), ("ja;q=0", "en"), ("ja;q=9", "en"), (";;;,,,ja", "ja"), ("x" * 10_000, "en"),
    ],
)  # fmt: skip
def test_negotiation(header: str | None, language: str) -> None:
    assert negotiate(header) == language
