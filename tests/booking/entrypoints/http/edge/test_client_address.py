"""Where requests come from: what trusted proxies wrote is believed, and nothing that anybody else did."""

from ipaddress import ip_network
from types import SimpleNamespace
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yoyaku.booking.domain.blocklist import Blocklist
from yoyaku.booking.domain.rate import Limit
from yoyaku.booking.entrypoints.http.edge.client_address import Origin, TrustedProxies
from yoyaku.booking.entrypoints.http.edge.draining import Draining
from yoyaku.booking.entrypoints.http.edge.middleware import Edge, client_address
from yoyaku.booking.settings import GatewaySettings
from yoyaku.booking.usecases.limit_requests import Standing
from yoyaku.lifecycle.process import utc_now
from yoyaku.observability.testing import recorded_spans

NETWORKS = [ip_network("10.0.0.0/8"), ip_network("2001:db8:1::/48")]
X_FORWARDED = TrustedProxies(NETWORKS, "x-forwarded-for")
FORWARDED = TrustedProxies(NETWORKS, "forwarded")
NOBODY = TrustedProxies([], "x-forwarded-for")


def headers(*pairs: tuple[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode("latin-1")) for name, value in pairs]


def xff(*values: str) -> list[tuple[bytes, bytes]]:
    return headers(*(("x-forwarded-for", value) for value in values))


@pytest.mark.requirement("ID-07")
def test_without_trusted_proxies_the_socket_is_believed() -> None:
    for proxies in (NOBODY, X_FORWARDED, FORWARDED):
        given_headers = [*xff("198.51.100.7"), *headers(("forwarded", "for=198.51.100.7;proto=https"))]
        assert proxies.origin("203.0.113.9", "http", given_headers) == Origin("203.0.113.9", "http", by_proxy=False)
    assert NOBODY.origin("::ffff:10.0.0.1", "http", xff("198.51.100.7")).address == "10.0.0.1"
    assert X_FORWARDED.origin(None, "http", xff("198.51.100.7")) == Origin("unknown", "http", by_proxy=False)


@pytest.mark.requirement("ID-07")
@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["198.51.100.7"], "198.51.100.7"),
        (["1.1.1.1, 198.51.100.7"], "198.51.100.7"),
        (["198.51.100.7, 10.9.9.9"], "198.51.100.7"),
        (["1.1.1.1,198.51.100.7 ,10.9.9.9,  10.8.8.8"], "198.51.100.7"),
        (["1.1.1.1", "198.51.100.7", "10.9.9.9"], "198.51.100.7"),
        (["198.51.100.7:4711"], "198.51.100.7"),
        (["2001:DB8::0001"], "2001:db8::1"),
        (["[2001:db8::1]"], "2001:db8::1"),
        (["[2001:db8::1]:443, 2001:db8:1::5"], "2001:db8::1"),
        (["::ffff:198.51.100.7"], "198.51.100.7"),
        (["10.9.9.9, 10.8.8.8"], "10.9.9.9"),
        (["198.51.100.7, garbage, 10.8.8.8"], "10.8.8.8"),
        (["198.51.100.7, garbage"], "10.0.0.1"),
        (["198.51.100.7,"], "10.0.0.1"),
        (["198.51.100.7, 10.8.8.8%eth0"], "10.0.0.1"),
        (["198.51.100.7, fe80::1%eth0"], "10.0.0.1"),
        (["198.51.100.7, unknown"], "10.0.0.1"),
        (["198.51.100.7, 010.0.0.1"], "10.0.0.1"),
        (["198.51.100.7, 1.2.3.4:99999999"], "10.0.0.1"),
        (["[198.51.100.7"], "10.0.0.1"),
        ([""], "10.0.0.1"),
        ([], "10.0.0.1"),
        ([", ".join(["198.51.100.7"] + ["10.8.8.8"] * 500)], "10.8.8.8"),
    ],
)
def test_x_forwarded_for_is_counted_from_the_right(values: list[str], expected: str) -> None:
    assert X_FORWARDED.origin("10.0.0.1", "http", xff(*values)) == Origin(expected, "http", by_proxy=True)
    assert FORWARDED.origin("10.0.0.1", "http", xff(*values)).address == "10.0.0.1"


@pytest.mark.requirement("ID-07", "GW-03")
@pytest.mark.parametrize(
    ("value", "address", "scheme"),
    [
        ("for=198.51.100.7;proto=https", "198.51.100.7", "https"),
        ('For="[2001:db8::1]:4711" ; Proto=HTTPS;by=10.0.0.1', "2001:db8::1", "https"),
        ('for="198.51.100.7:4711"', "198.51.100.7", "http"),
        ("for=198.51.100.7;proto=https, for=10.9.9.9;proto=http", "198.51.100.7", "https"),
        ("for=1.1.1.1;proto=https, for=198.51.100.7", "198.51.100.7", "http"),
        ("for=_hidden;proto=https, for=10.9.9.9;proto=http", "10.9.9.9", "http"),
        ("for=unknown", "10.0.0.1", "http"),
        ("for=2001:db8::1", "10.0.0.1", "http"),
        ("for=198.51.100.7;for=1.1.1.1", "10.0.0.1", "http"),
        ("proto=https", "10.0.0.1", "http"),
        ("for=198.51.100.7;proto=gopher", "198.51.100.7", "http"),
        ('for="1.1.1.1, for=198.51.100.7', "198.51.100.7", "http"),
        ('for="198.51.100.7', "10.0.0.1", "http"),
        ('for="198.51.100.7:_gate"', "198.51.100.7", "http"),
        ("for = 198.51.100.7", "10.0.0.1", "http"),
        ("\xff\x00;;,=", "10.0.0.1", "http"),
    ],
)
def test_forwarded_is_counted_from_the_right(value: str, address: str, scheme: str) -> None:
    found = FORWARDED.origin("10.0.0.1", "http", headers(("forwarded", value)))
    assert found == Origin(address, scheme, by_proxy=True)
    assert X_FORWARDED.origin("10.0.0.1", "http", headers(("forwarded", value))).address == "10.0.0.1"


@pytest.mark.requirement("ID-07", "GW-03")
@pytest.mark.parametrize(
    ("protocols", "scheme"),
    [(["https"], "https"), (["https, http"], "https"), (["http", "https"], "http"), (["ftp"], "http"), ([], "http")],
)
def test_x_forwarded_proto_is_believed_of_a_trusted_proxy_only(protocols: list[str], scheme: str) -> None:
    sent = [*xff("198.51.100.7, 10.9.9.9"), *headers(*(("x-forwarded-proto", value) for value in protocols))]
    assert X_FORWARDED.origin("10.0.0.1", "http", sent).scheme == scheme
    assert X_FORWARDED.origin("203.0.113.9", "http", sent).scheme == "http"


strangers = (
    st.ip_addresses()
    .filter(lambda address: not any(address in network for network in NETWORKS))
    .filter(
        lambda address: getattr(address, "ipv4_mapped", None) is None and getattr(address, "scope_id", None) is None
    )
)
hops = st.sampled_from(["10.0.0.2", "10.200.3.4", "2001:db8:1::7"])
ports = st.sampled_from(["", ":1", ":65535"])
lies = st.text(alphabet=st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=60)


def written(address: str, port: str, header: str) -> str:
    node = f"[{address}]{port}" if ":" in address and (port or header == "forwarded") else f"{address}{port}"
    if header == "x-forwarded-for":
        return node
    return f'for="{node}"' if ":" in node else f"for={node}"


@pytest.mark.requirement("ID-07")
@given(
    header=st.sampled_from(["x-forwarded-for", "forwarded"]),
    lie=lies,
    client=strangers,
    chain=st.lists(st.tuples(hops, ports), max_size=4),
    port=ports,
    split=st.booleans(),
)
def test_no_lie_changes_what_the_proxies_saw(
    header: Literal["x-forwarded-for", "forwarded"],
    lie: str,
    client: Any,
    chain: list[tuple[str, str]],
    port: str,
    split: bool,
) -> None:
    seen = [written(str(client), port, header), *(written(hop, number, header) for hop, number in chain)]
    lines = [lie, ", ".join(seen)] if split else [", ".join([lie, *seen])]
    sent = headers(*((header, line) for line in lines))
    found = TrustedProxies(NETWORKS, header).origin("10.0.0.1", "http", sent)
    assert found.address == str(client)


class _Recorded:
    """An edge around an application that says what it was told."""

    def __init__(self, **settings: Any) -> None:
        chosen = GatewaySettings.model_construct(**settings)
        limit = self.limit = SimpleNamespace(by_address=lambda _: None, concurrent=lambda _: None)
        gateway = SimpleNamespace(blocklist=Blocklist(), limit=limit)
        self.edge = Edge(self._app, gateway=lambda: gateway, settings=chosen, now=utc_now, draining=Draining())  # type: ignore[arg-type,return-value]
        self.scope: dict[str, Any] = {}
        self.headers: dict[bytes, bytes] = {}
        self.status = 0

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        self.scope = dict(scope)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def get(self, peer: str, *pairs: tuple[str, str], path: str = "/docs") -> None:
        scope = {
            "type": "http", "method": "GET", "path": path, "query_string": b"", "scheme": "http",
            "headers": headers(("host", "localhost"), *pairs), "client": (peer, 4711),
        }  # fmt: skip

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                self.headers = dict(message["headers"])
                self.status = message["status"]

        await self.edge({**scope}, receive, send)  # type: ignore[arg-type]


CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
FAR = [("x-forwarded-for", "198.51.100.7"), ("x-forwarded-proto", "https"), ("traceparent", CALLER)]


@pytest.mark.requirement("ID-07", "GW-03", "OB-01")
@pytest.mark.parametrize(
    ("settings", "peer", "address", "secure", "traced"),
    [
        ({}, "10.0.0.1", "10.0.0.1", False, False),
        ({"trusted_proxies": NETWORKS}, "10.0.0.1", "198.51.100.7", True, True),
        ({"trusted_proxies": NETWORKS}, "203.0.113.9", "203.0.113.9", False, False),
        ({"trust_traceparent": True}, "203.0.113.9", "203.0.113.9", False, True),
    ],
)
async def test_the_edge_believes_proxies_about_address_scheme_and_trace(
    settings: dict[str, Any], peer: str, address: str, secure: bool, traced: bool
) -> None:
    recorded = _Recorded(**settings)
    with recorded_spans() as spans:
        await recorded.get(peer, *FAR)
    (span,) = spans
    assert span.attributes is not None
    assert (span.attributes["client.address"], span.attributes["url.scheme"]) == (
        address,
        "https" if secure else "http",
    )
    assert [format(link.context.trace_id, "032x") for link in span.links] == ([] if traced else [CALLER.split("-")[1]])
    assert client_address(SimpleNamespace(scope=recorded.scope)) == address  # type: ignore[arg-type]
    assert (b"strict-transport-security" in recorded.headers) == secure
    assert (recorded.headers[b"x-trace-id"].decode() == CALLER.split("-")[1]) == traced


@pytest.mark.requirement("GW-04", "OB-01")
@pytest.mark.parametrize(
    ("settings", "more", "status"),
    [
        ({"allowed_hosts": ("rooms.example.org",)}, [], 421),
        ({}, [("x-long", "x" * 20_000)], 431),
    ],
)
async def test_refusals_at_the_edge_leave_no_span_and_use_the_quota(
    settings: dict[str, Any], more: list[tuple[str, str]], status: int
) -> None:
    recorded = _Recorded(**settings)
    with recorded_spans() as spans:
        await recorded.get("203.0.113.9", *more)
        assert (recorded.status, list(spans)) == (status, [])
        recorded.limit.by_address = lambda _: Standing(Limit.of("address", 1, 60), False, 0, 1)
        await recorded.get("203.0.113.9", *more, path="/api/v1/rooms")
        assert (recorded.status, list(spans)) == (429, [])
