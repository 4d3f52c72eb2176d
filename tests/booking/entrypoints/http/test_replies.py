"""Links between pages are addresses that a client can follow, whatever was in the path."""

from urllib.parse import unquote

import pytest
from starlette.requests import Request

from yoyaku.booking.entrypoints.http.replies import link_to_next, page_links


def asked(path: str) -> Request:
    scope = {"type": "http", "path": path, "query_string": b"limit=2", "headers": [], "server": ("127.0.0.1", 80)}
    return Request({**scope, "method": "GET", "scheme": "http"})


@pytest.mark.requirement("GW-03")
@pytest.mark.parametrize("name", ["\u0661", "\U0001f600", "\ufffd", 'a>; rel="x', "a b", "a\nb", "100%", "a?b#c"])
def test_a_path_that_is_not_plain_is_escaped_in_links(name: str) -> None:
    for link in (page_links(asked(f"/stories/{name}"), after="5"), link_to_next(asked(f"/stories/{name}"), after="5")):
        link["Link"].encode("ascii")
        address = link["Link"].rpartition("<")[2].partition(">")[0]
        path, _, query = address.partition("?")
        assert unquote(path) == f"/stories/{name}"
        assert query == "limit=2&after=5"
