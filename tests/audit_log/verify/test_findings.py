"""Two runs of hashes that disagree tell what was done; a report says the worst first."""

import pytest

from yoyaku.audit_log.verify.findings import SHOWN, Finding, Report, Window, what_happened

FIELDS = {b"x": (None, ""), b"z": (9, "t"), b"b": (1, "a")}


def fields(leaf: bytes) -> tuple[int | None, str]:
    return FIELDS.get(leaf, (None, ""))


def window(have: str, want: str = "abcdefgh", *, problem: str = "") -> Window:
    leaves = [letter.encode() for letter in have]
    far = {9: b"z"}
    return Window(100, None, leaves, leaves, [letter.encode() for letter in want], problem, far.get)


@pytest.mark.parametrize(
    ("have", "kind", "first", "last"),
    [
        ("abXdefgh", "edited", 102, 102),
        ("abXYefgh", "edited", 102, 102),
        ("abdefgh", "deleted", 102, 102),
        ("abfgh", "deleted", 102, 104),
        ("abXcdefgh", "inserted", 102, 102),
        ("abXYZcdefgh", "inserted", 102, 104),
        ("abacdefgh", "inserted", 102, 102),
        ("abedcfgh", "reordered", 102, 104),
        ("bcdefgha", "reordered", 100, 107),
        ("abedefgh", "edited", 102, 102),
        ("abadefgh", "edited", 102, 102),
        ("abcdef", "deleted", 106, 107),
        ("abcdefghX", "inserted", 108, 108),
        ("", "deleted", 100, 107),
        ("abzdefgh", "reordered", 102, 102),
    ],
)
def test_what_was_done_is_told_by_where_hashes_stand_and_where_they_belong(
    have: str, kind: str, first: int, last: int
) -> None:
    fields_of_index = {leaf: (None if index is None else index, time) for leaf, (index, time) in FIELDS.items()}
    assert what_happened(window(have), lambda leaf: fields_of_index.get(leaf, (None, "")))[:3] == (kind, first, last)


def test_a_bundle_that_breaks_off_is_edited_where_it_does() -> None:
    assert what_happened(window("abc", problem="it ends"), fields)[:3] == ("edited", 103, 103)
    assert what_happened(window("abcdefgh", problem="it ends"), fields)[:3] == ("inserted", 108, 108)


def test_where_nothing_differs_there_is_nothing_to_tell() -> None:
    with pytest.raises(ValueError, match="nothing differs"):
        what_happened(window("abcdefgh"), fields)


def test_the_first_is_the_first_position_and_what_lost_its_proof_comes_last() -> None:
    report = Report()
    assert report.first is None
    tile = Finding("tile", "t", "x")
    report.add(tile)
    assert report.first == tile
    report.add(Finding("unproven", "u", "x", 0, 9))
    report.add(Finding("truncated", "v", "x", 10, 12))
    report.add(Finding("truncated", "v", "x", 10, 12))
    assert report.first == Finding("truncated", "v", "x", 10, 12)
    assert len(report.findings) == 3


def test_many_findings_of_a_kind_are_counted() -> None:
    report = Report()
    for number in range(SHOWN + 5):
        report.add(Finding("edited", "f", "x", number, number))
    assert (len(report.findings), report.further["edited"]) == (SHOWN, 5)
    assert "also:         5 more of: edited" in list(report.lines())
