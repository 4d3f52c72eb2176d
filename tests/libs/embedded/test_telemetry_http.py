import gzip
import tracemalloc
import zlib

import pytest

from yoyaku.embedded.telemetry_http import RefusedError, decompressed


@pytest.mark.parametrize("encoding", ["", "identity", "gzip", "deflate"])
def test_bodies_come_back_plain(encoding: str) -> None:
    packed = {"gzip": gzip.compress, "deflate": zlib.compress}.get(encoding, bytes)(b"spans" * 100)
    assert decompressed(packed, encoding) == b"spans" * 100


@pytest.mark.parametrize(
    ("body", "encoding", "status"),
    [
        pytest.param(gzip.compress(b"x" * 1001), "gzip", 413, id="too long"),
        pytest.param(b"no gzip", "gzip", 400, id="no gzip"),
        pytest.param(gzip.compress(b"x" * 100)[:-4], "gzip", 400, id="cut off"),
        pytest.param(gzip.compress(b"x") + gzip.compress(b"y"), "gzip", 400, id="two in one"),
        pytest.param(b"x", "br", 415, id="unknown"),
    ],
)
def test_what_cannot_be_taken_is_refused_with_its_status(body: bytes, encoding: str, status: int) -> None:
    with pytest.raises(RefusedError) as refused:
        decompressed(body, encoding, limit_bytes=1000)
    assert refused.value.status == status


def test_the_limit_itself_is_allowed() -> None:
    assert len(decompressed(gzip.compress(b"x" * 1000), "gzip", limit_bytes=1000)) == 1000


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    bomb = gzip.compress(bytes(50_000_000))
    tracemalloc.start()
    try:
        with pytest.raises(RefusedError):
            decompressed(bomb, "gzip", limit_bytes=1000)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 1_000_000
