import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yoyaku.audit_log.domain.archive import (
    IndexPart,
    MalformedManifestError,
    Manifest,
    StoredFile,
    bundle_in,
    new_bundles,
    new_tiles,
)
from yoyaku.audit_log.domain.month import Month
from yoyaku.tlog.tiles import bundles_of, tiles_of

SIZES = st.integers(0, 20_000)


@pytest.mark.requirement("AU-06")
@given(sizes=st.lists(SIZES, min_size=1, max_size=6).map(sorted))
def test_month_by_month_every_file_of_the_tree_is_written_once(sizes: list[int]) -> None:
    tiles, bundles = [], []
    begin = 0
    for end in sizes:
        tiles += list(new_tiles(begin, end))
        bundles += list(new_bundles(begin, end))
        begin = end
    assert len(set(tiles)) == len(tiles)
    assert len(set(bundles)) == len(bundles)
    # With the last month's, all files of the whole tree are there, and each month's tree is whole as well.
    for size in sizes:
        assert set(tiles_of(size)) <= set(tiles)
        assert set(bundles_of(size)) <= set(bundles)


@given(begin=SIZES, count=st.integers(1, 2_000), data=st.data())
def test_each_bundle_of_a_month_ends_with_an_entry_of_it_and_each_entry_is_in_one(
    begin: int, count: int, data: st.DataObject
) -> None:
    end = begin + count
    written = set(new_bundles(begin, end))
    for bundle in written:
        assert begin < bundle.index * 256 + bundle.width <= end
    index = data.draw(st.integers(begin, end - 1))
    bundle = bundle_in(index, end)
    assert bundle in written
    assert bundle.index * 256 <= index < bundle.index * 256 + bundle.width


def manifest() -> Manifest:
    file = StoredFile.of("tile/entries/000.p/3", b"abc")
    part = IndexPart(StoredFile.of("segments/2026-11/index-0.sqlite", b"x"), 7, 3)
    return Manifest("o/1", 1, Month(2026, 11), 7, 0, 3, bytes(32), 5, (bytes(32),), (file,), (part,))


def test_a_manifest_is_read_as_it_was_written() -> None:
    assert Manifest.decode(manifest().encode()) == manifest()
    assert [file.name[:4] for file in manifest().every_file()] == ["tile", "segm"]


@given(st.binary(max_size=60) | st.integers(0, 400).map(lambda at: manifest().encode()[:at]))
def test_what_is_no_manifest_gets_one_error(data: bytes) -> None:
    with pytest.raises(MalformedManifestError):
        Manifest.decode(data)


@pytest.mark.parametrize(
    ("member", "value"),
    [("v", 2), ("root", "#"), ("month", "2026"), ("files", [1]), ("files", 3), ("index", [{}]), ("epoch", None)],
)
def test_a_member_of_another_kind_gets_the_same_error(member: str, value: object) -> None:
    members = json.loads(manifest().encode()) | {member: value}
    with pytest.raises(MalformedManifestError):
        Manifest.decode(json.dumps(members).encode())
