import pytest
from starlette.requests import Request

from yoyaku.booking.domain.errors import RuleBrokenError, StaleVersionError
from yoyaku.booking.domain.expected_version import ANY_VERSION
from yoyaku.booking.entrypoints.http.preconditions import (
    etag_of,
    is_known,
    optional_version,
    required_version,
)
from yoyaku.booking.entrypoints.http.problems import Problem, problem_of


def request(**headers: str) -> Request:
    raw = [(name.replace("_", "-").lower().encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "headers": raw})


@pytest.mark.requirement("BK-05", "GW-02")
@pytest.mark.parametrize(
    ("header", "fitting"),
    [
        ('"3"', {3}), ('"2", "3"', {2, 3}), ('W/"3"', set()), ('"x", "3"', {3}),
        ('"99999999999999"', set()), ('"²"', set()),
    ],
)  # fmt: skip
def test_if_match_names_versions(header: str, fitting: set[int]) -> None:
    try:
        expected = required_version(request(If_Match=header))
    except RuleBrokenError:
        assert "²" in header
        return
    assert expected.versions == fitting


@pytest.mark.requirement("BK-05")
def test_any_version_and_none() -> None:
    assert required_version(request(If_Match="*")) is ANY_VERSION
    assert optional_version(request()) is ANY_VERSION
    with pytest.raises(Problem) as caught:
        required_version(request())
    assert (caught.value.status, caught.value.code) == (428, "precondition-required")


@pytest.mark.requirement("GW-02")
@pytest.mark.parametrize("header", ["", "3", '"3', '"3" "4"', "*, *", '"a\tb"', ", ".join(['"1"'] * 101)])
def test_what_is_no_tag(header: str) -> None:
    with pytest.raises(RuleBrokenError):
        required_version(request(If_Match=header))


@pytest.mark.requirement("BK-05")
def test_another_version_is_412_with_the_tag_of_the_one_there_is() -> None:
    with pytest.raises(StaleVersionError) as caught:
        required_version(request(If_Match='"3"')).check(4)
    problem = problem_of(caught.value)
    assert problem is not None
    assert (problem.status, problem.headers["ETag"]) == (412, '"4"')
    required_version(request(If_Match='"4"')).check(4)
    ANY_VERSION.check(7)


@pytest.mark.requirement("BK-08")
@pytest.mark.parametrize(
    ("header", "known"), [('"3"', True), ('W/"3"', True), ('"1", "3"', True), ("*", True), ('"4"', False), ("3", False)]
)
def test_if_none_match(header: str, known: bool) -> None:
    assert is_known(request(If_None_Match=header), etag_of(3)) == known
    assert not is_known(request(), etag_of(3))
