"""A refusal becomes an error that says what happened, whoever answered."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from yoyaku.client.errors import (
    ConflictError,
    NotAuthenticatedError,
    NotFoundError,
    NotPermittedError,
    PreconditionFailedError,
    ProblemError,
    TooManyRequestsError,
    UnavailableError,
    problem_of,
    retry_after_seconds,
)

MEDIA_TYPE = {"Content-Type": "application/problem+json"}
NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, NotAuthenticatedError),
        (403, NotPermittedError),
        (404, NotFoundError),
        (409, ConflictError),
        (412, PreconditionFailedError),
        (428, PreconditionFailedError),
        (429, TooManyRequestsError),
        (503, UnavailableError),
        (422, ProblemError),
        (500, ProblemError),
    ],
)
def test_the_status_names_the_kind(status: int, kind: type[ProblemError]) -> None:
    error = problem_of(httpx.Response(status, json={"code": "x", "title": "t"}, headers=MEDIA_TYPE))
    assert type(error) is kind
    assert (error.status, error.code, error.title) == (status, "x", "t")


def test_what_the_problem_says_is_there_to_be_read() -> None:
    alternative = {
        "room_id": 2,
        "room_name": "Fuji",
        "starts_at": "2026-12-01T01:00:00Z",
        "ends_at": "2026-12-01T02:00:00Z",
        "starts_at_local": "2026-12-01T10:00:00+09:00",
        "ends_at_local": "2026-12-01T11:00:00+09:00",
        "kind": "like-room",
        "new": True,
    }
    body = {
        "code": "room-already-reserved",
        "title": "Taken",
        "detail": "入力の時間帯はすでに予約済みです。",
        "trace_id": "abc",
        "errors": [{"field": "ends_at", "code": "longer-than-allowed", "message": "m", "max_hours": 8}, {"bad": 1}],
        "alternatives": [alternative, "nonsense"],
        "cancelled_at": "then",
    }
    error = problem_of(httpx.Response(409, json=body, headers=MEDIA_TYPE | {"Retry-After": "3"}))
    assert [one.room_name for one in error.alternatives] == ["Fuji"]
    assert error.alternatives[0].starts_at_local.hour == 10
    assert [one.code for one in error.errors] == ["longer-than-allowed"]
    assert error.errors[0].model_extra == {"max_hours": 8}
    assert (error.trace_id, error.retry_after_seconds) == ("abc", 3)
    assert error.facts == {"cancelled_at": "then"}


@given(st.one_of(st.binary(max_size=50), st.sampled_from([b"[]", b"null", b"1", b'{"errors": 1, "alternatives": {}}'])))
def test_whatever_a_body_holds_the_refusal_stays_one(body: bytes) -> None:
    error = problem_of(httpx.Response(503, content=body, headers=MEDIA_TYPE))
    assert isinstance(error, UnavailableError)
    assert error.errors == ()


def test_a_refusal_from_something_in_between_has_a_code_too() -> None:
    error: Any = problem_of(httpx.Response(502, html="<b>secret</b>"))
    assert (type(error), error.code, error.title) == (UnavailableError, "http-502", "Bad Gateway")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        ("Tue, 01 Dec 2026 09:00:30 GMT", 30),
        ("Tue, 01 Dec 2026 08:00:00 GMT", 0),
        ("-1", None),
        ("soon", None),
        ("", None),
        ("٣", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str, seconds: float | None) -> None:
    response = httpx.Response(503, headers=[(b"retry-after", text.encode())])
    assert retry_after_seconds(response, now=NOW) == seconds
