import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from yoyaku.tlog.errors import MalformedTileError
from yoyaku.tlog.tiles import (
    BundleId,
    TileId,
    bundles_of,
    decode_bundle,
    encode_bundle,
    entries_path,
    hash_at,
    parse_path,
    partial_tiles,
    tile_path,
    tiles_of,
)

pytestmark = pytest.mark.requirement("AU-02")


@pytest.mark.parametrize(
    ("named", "path"),
    [
        (TileId(0, 0), "tile/0/000"),
        (TileId(0, 999), "tile/0/999"),
        (TileId(0, 1000), "tile/0/x001/000"),
        (TileId(1, 1234067), "tile/1/x001/x234/067"),
        (TileId(63, 17, 255), "tile/63/017.p/255"),
        (TileId(2, 0, 1), "tile/2/000.p/1"),
        (BundleId(273, 112), "tile/entries/273.p/112"),
        (BundleId(1234067), "tile/entries/x001/x234/067"),
        (TileId(0, (2**63 - 1) >> 8), "tile/0/x036/x028/x797/x018/x963/967"),
    ],
)
def test_paths_of_the_document(named: TileId | BundleId, path: str) -> None:
    assert (tile_path(named) if isinstance(named, TileId) else entries_path(named)) == path
    assert parse_path(path) == named


@pytest.mark.parametrize(
    "path",
    [
        "",
        "tile",
        "tile/0",
        "tile/0/0",
        "tile/0/0000",
        "tile/0/1000",
        "tile/0/x000/000",
        "tile/0/x000/x001/000",
        "tile/0/001/000",
        "tile/0/x001",
        "tile/00/000",
        "tile/01/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/0/000.p/0",
        "tile/0/000.p/01",
        "tile/0/000.p/256",
        "tile/0/000.p/999",
        "tile/0/000.p/",
        "tile/0/000.p",
        "tile/0/000/",
        "/tile/0/000",
        "tile/0/000\n",
        "tile/0/０００",
        "tile/data/000",
        "tile/entries/00",
        "tile/0/../000",
        "tile/0/x999/x999/x999/x999/x999/999",
        "tile/0/" + "x001/" * 1000 + "000",
    ],
)
def test_another_spelling_is_no_path(path: str) -> None:
    with pytest.raises(MalformedTileError):
        parse_path(path)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 63), st.integers(0, (2**63 - 1) >> 8), st.integers(1, 256))
def test_each_tile_has_one_path(level: int, index: int, width: int) -> None:
    assert parse_path(tile_path(TileId(level, index, width))) == TileId(level, index, width)
    assert parse_path(entries_path(BundleId(index, width))) == BundleId(index, width)


@pytest.mark.parametrize("parts", [(-1, 0, 1), (64, 0, 1), (0, -1, 1), (0, 2**60, 1), (0, 0, 0), (0, 0, 257)])
def test_there_is_no_tile_out_of_range(parts: tuple[int, int, int]) -> None:
    with pytest.raises(MalformedTileError):
        TileId(*parts)


def test_the_tiles_of_the_documents_example() -> None:
    """Of 70,000 leaves, and of 256: the examples of tlog-tiles, "Partial Tiles"."""
    tiles = list(tiles_of(70_000))
    full = [(t.level, t.full) for t in tiles]
    assert full.count((0, True)) == 273
    assert full.count((1, True)) == 1
    assert [t for t in tiles if not t.full] == partial_tiles(70_000)
    assert partial_tiles(70_000) == [TileId(0, 273, 112), TileId(1, 1, 17), TileId(2, 0, 1)]
    assert list(tiles_of(256)) == [TileId(0, 0), TileId(1, 0, 1)]
    assert list(tiles_of(0)) == partial_tiles(0) == list(bundles_of(0)) == []
    assert list(bundles_of(513)) == [BundleId(0), BundleId(1), BundleId(2, 1)]
    assert list(bundles_of(256)) == [BundleId(0)]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=300), min_size=1, max_size=256))
@example([b"one"])
@example([b""] * 256)
def test_a_bundle_reads_back_what_it_writes(entries: list[bytes]) -> None:
    assert decode_bundle(encode_bundle(entries), len(entries)) == entries


def test_a_hash_is_found_by_its_place() -> None:
    assert [hash_at(bytes(range(96)), place)[0] for place in range(3)] == [0, 32, 64]
    assert {len(hash_at(bytes(96), place)) for place in range(3)} == {32}


def test_a_bundle_is_lengths_and_entries() -> None:
    assert encode_bundle([b"", b"ab", b"x" * 65_535]) == b"\x00\x00" + b"\x00\x02ab" + b"\xff\xff" + b"x" * 65_535


def test_what_does_not_fit_a_bundle_is_refused() -> None:
    with pytest.raises(MalformedTileError, match="entry 1 of the bundle has 65536 bytes"):
        encode_bundle([b"", b"x" * 65_536])
    with pytest.raises(MalformedTileError, match="1 to 256 entries, not 257"):
        encode_bundle([b""] * 257)
    with pytest.raises(MalformedTileError, match="1 to 256 entries, not 0"):
        encode_bundle([])


@pytest.mark.parametrize(
    ("data", "width", "says"),
    [
        (b"", 1, "holds 0 entries instead of 1"),
        (b"\x00", 1, "breaks off in its entry 0"),
        (b"\x00\x01", 1, "breaks off in its entry 0"),
        (b"\x00\x01a\x00\x02b", 2, "breaks off in its entry 1"),
        (b"\x00\x01a", 2, "holds 1 entries instead of 2"),
        (b"\x00\x01a\x00\x01b", 1, "3 bytes follow the 1 entries"),
        (b"\x00\x01a\x00", 1, "1 bytes follow"),
        (b"\xff\xff" + b"x" * 65_534, 1, "breaks off"),
    ],
)
def test_a_bundle_that_is_none_is_refused(data: bytes, width: int, says: str) -> None:
    with pytest.raises(MalformedTileError, match=says):
        decode_bundle(data, width)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60), st.integers(1, 256))
def test_any_bytes_are_read_or_refused(data: bytes, width: int) -> None:
    try:
        entries = decode_bundle(data, width)
    except MalformedTileError:
        return
    assert encode_bundle(entries) == data


@settings(max_examples=200, deadline=None)
@given(
    st.text(max_size=30) | st.from_regex(r"tile/[0-9]{1,2}/(x[0-9]{3}/){0,3}[0-9]{3}(\.p/[0-9]{1,3})?", fullmatch=True)
)
def test_any_path_is_read_or_refused(path: str) -> None:
    try:
        named = parse_path(path)
    except MalformedTileError:
        return
    assert (tile_path(named) if isinstance(named, TileId) else entries_path(named)) == path
