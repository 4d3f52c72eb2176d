"""The client as a whole: where tokens go, what is shown, how lists are read."""

import logging
from typing import Any

import httpx
import pytest

from yoyaku.client import Client, TransportError
from yoyaku.client.client import checked_url


def rooms_page(first: int, last: int, *, following: str | None = None) -> httpx.Response:
    items = [
        {
            "id": n,
            "name": f"R{n}",
            "site": "S",
            "capacity": 2,
            "time_zone": "Asia/Tokyo",
            "active": True,
            "new": {"a": 1},
        }
        for n in range(first, last + 1)
    ]
    headers = {} if following is None else {"Link": f'<{following}>; rel="next"'}
    return httpx.Response(200, json={"items": items, "more": 1}, headers=headers)


class Paged(httpx.AsyncBaseTransport):
    def __init__(self, link: str) -> None:
        self.link = link
        self.urls: list[httpx.URL] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.urls.append(request.url)
        if "after" in request.url.params:
            return rooms_page(3, 4)
        return rooms_page(1, 2, following=self.link)


@pytest.mark.parametrize(
    "link",
    ["/api/v1/rooms?site=S&feature=a&feature=b&after=2", "https://elsewhere.test/x?after=2&feature=a&feature=b&site=S"],
)
async def test_pages_are_one_stream_and_no_link_leads_elsewhere(signed_in: Client, link: str) -> None:
    paged = Paged(link)
    async with Client("http://gateway.test", session=signed_in.session, transport=paged) as client:
        pages = client.rooms.list(site="S", features=["a", "b"])
        assert [room.id async for room in pages] == [1, 2, 3, 4]
        assert len(paged.urls) == 2
        assert {url.host for url in paged.urls} == {"gateway.test"}
        assert paged.urls[1].params.get_list("feature") == ["a", "b"]
        assert [room.id for room in await pages.all(1)] == [1]
        assert len(paged.urls) == 3
        assert await pages.all(0) == []


async def test_a_redirect_is_not_followed(bench: Any, signed_in: Client) -> None:
    bench.double.canned["GET", "/users/me"] = httpx.Response(302, headers={"Location": "http://elsewhere.test/"})
    with pytest.raises(Exception, match="302"):
        await signed_in.people.me()
    assert {request.url.host for request in bench.double.requests} == {"gateway.test"}


async def test_an_answer_that_is_not_the_apis_is_no_answer_and_is_not_quoted(bench: Any, signed_in: Client) -> None:
    bench.double.canned["GET", "/users/me"] = httpx.Response(200, json={"id": 1, "user_id": "secret"})
    with pytest.raises(TransportError, match="display_name") as error:
        await signed_in.people.me()
    assert "secret" not in str(error.value)


async def test_tokens_and_passwords_are_in_no_repr_and_no_log(
    bench: Any, signed_in: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    session = signed_in.session
    assert session is not None
    await signed_in.rooms.list().all()
    await signed_in.auth.refresh()
    await signed_in.auth.log_in("hanako", bench.password)
    shown = repr(signed_in) + repr(session) + repr(vars(signed_in)) + caplog.text
    refresh = session.refresh_token
    assert refresh is not None
    for secret in (session.access_token.get_secret_value(), refresh.get_secret_value(), bench.password):
        assert secret not in shown


async def test_the_language_is_passed_on(bench: Any) -> None:
    async with Client(bench.url, language="ja", transport=bench.double) as client:
        await client.auth.log_in("hanako", bench.password)
    assert bench.double.requests[0].headers["accept-language"] == "ja"
    assert bench.double.requests[0].headers["user-agent"].startswith("yoyaku-client/")


@pytest.mark.parametrize(
    "url", ["", "gateway.test", "ftp://gateway.test", "http://", "http://a b", "http://u:p@gateway.test"]
)
def test_what_is_no_address_is_refused_before_anything_is_sent(url: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        checked_url(url)
    assert "u:p" not in str(refused.value)


async def test_an_id_cannot_leave_its_place_in_the_path(bench: Any, signed_in: Client) -> None:
    bench.double.canned["GET", "/users/me"] = httpx.Response(200)
    with pytest.raises(Exception, match="404"):
        await signed_in.reservations.get("../users/me?x=1")
    assert bench.double.requests[-1].url.raw_path == b"/api/v1/reservations/..%2Fusers%2Fme%3Fx%3D1"
