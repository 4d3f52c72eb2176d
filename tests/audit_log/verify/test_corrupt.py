"""Whatever is done to files: a clear line, and never a traceback."""

import base64
import random
import shutil
import string
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from yoyaku.audit_log.verify.findings import Report
from yoyaku.audit_log.verify.formats import LOG_SIGNATURE, DamageError, InputError, Key, Trust
from yoyaku.testkit.audit_exports import History, Signer, bundles_of, files_of, sample_entry, tiles_of, write_files

MUTATIONS = 200


@pytest.fixture
def export(honest: Callable[..., History], keys: Any, tmp_path: Path) -> Path:
    """An honest export of three bundles with five kept checkpoints and a body beside."""
    history = honest(100, 156, 256, 90)
    history.append_large(b'{"body":{}}')
    history.keep(keys.next, keys.witness)
    return write_files(tmp_path / "export", files_of(history))


@pytest.fixture
def found(keys: Any, export: Path) -> Callable[[], Report]:
    """`found()` verifies the export as it is now; the text of a report is one line a finding."""

    def run() -> Report:
        report: Report = keys.verify(export, export)
        assert all("\n" not in line for line in report.lines())
        return report

    return run


def first_of(report: Report) -> tuple[str, int | None, str]:
    assert report.first is not None
    return report.first.kind, report.first.first, report.first.where


def flip(path: Path, at: int, bit: int = 0) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1 << bit
    path.write_bytes(data)


def test_any_one_change_of_any_file_is_found_and_none_is_a_traceback(keys: Any, export: Path, tmp_path: Path) -> None:
    """Bit flips, cuts, additions, zeros, swaps of files, folders in their place, at random from a fixed seed."""
    chance = random.Random(3011)
    names = sorted(str(path.relative_to(export)) for path in export.rglob("*") if path.is_file())
    originals = {name: (export / name).read_bytes() for name in names}
    for number in range(MUTATIONS):
        name, data = chance.choice(sorted(originals.items()))
        changed = mutated(chance, data, list(originals.values()))
        path = export / name
        if changed is None:
            path.unlink()
            if chance.random() < 0.5:
                path.mkdir()
        else:
            path.write_bytes(changed)
        try:
            report = keys.verify(export, export, since=[originals["checkpoints/603"]])
            whole, told = report.is_whole, "\n".join(report.lines())
        except InputError as error:
            whole, told = False, str(error)
        assert not whole or is_no_damage(name, data, changed, path), (number, name, told)
        if path.is_dir():
            path.rmdir()
        path.write_bytes(data)
    assert keys.verify(export, export).is_whole


def is_no_damage(name: str, data: bytes, changed: bytes | None, path: Path) -> bool:
    """A kept checkpoint may be absent, and a signature line by a key that nobody knows says nothing."""
    if changed is None:
        return name.startswith("checkpoints/") and not path.exists()
    return changed == data or ("checkpoint" in name and changed.split(b"\n\n")[0] == data.split(b"\n\n")[0])


def mutated(chance: random.Random, data: bytes, others: list[bytes]) -> bytes | None:
    """Return other bytes, or None for no file."""
    at = chance.randrange(len(data))
    kind = chance.randrange(7)
    if kind == 0:
        return data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]
    if kind == 1:
        return data[:at]
    if kind == 2:
        return data + chance.randbytes(1 + at % 40)
    if kind == 3:
        return data[:at] + data[at + 1 :]
    if kind == 4:
        return bytes(len(data))
    return chance.choice(others) if kind == 5 else None


def test_a_flipped_bit_in_an_entry_names_it(export: Path, found: Callable[[], Report]) -> None:
    flip(export / "tile/entries/001", 40_000)
    kind, first, where = first_of(found())
    assert (kind, where) == ("edited", "tile/entries/001")
    assert 256 <= (first or 0) < 512


def test_a_flipped_bit_in_a_length_names_the_entry_from_which_nothing_can_be_read(
    export: Path, found: Callable[[], Report]
) -> None:
    flip(export / "tile/entries/000", 0, bit=7)
    report = found()
    assert first_of(report) == ("edited", 0, "tile/entries/000")


@pytest.mark.parametrize("name", ["tile/0/000", "tile/0/002.p/91", "tile/1/000.p/2"])
def test_a_flipped_bit_in_a_hash_tile_is_not_blamed_on_the_entries(
    name: str, export: Path, found: Callable[[], Report]
) -> None:
    flip(export / name, 33)
    assert first_of(found()) == ("tile", None, name)


@pytest.mark.parametrize("name", ["tile/0/001", "tile/0/002.p/91", "tile/1/000.p/2", "tile/entries/001"])
@pytest.mark.parametrize("what", ["missing", "short", "folder", "link", "large"])
def test_a_file_that_is_none_is_named(name: str, what: str, export: Path, found: Callable[[], Report]) -> None:
    path = export / name
    data = path.read_bytes()
    path.unlink()
    if what == "short":
        path.write_bytes(data[:-1])
    elif what == "folder":
        path.mkdir()
    elif what == "link":
        path.symlink_to("/dev/zero")
    elif what == "large":
        path.write_bytes(bytes(17_000_000))
    report = found()
    assert not report.is_whole
    assert name in {finding.where for finding in report.findings}


def test_a_bundle_that_is_missing_is_deleted_and_those_at_the_end_are_cut_off(
    export: Path, found: Callable[[], Report]
) -> None:
    (export / "tile/entries/001").unlink()
    report = found()
    assert (report.first.kind, report.first.first, report.first.last) == ("deleted", 256, 511)  # type: ignore[union-attr]
    shutil.rmtree(export / "tile/entries/002.p")
    report = found()
    assert (report.first.kind, report.first.first, report.first.last) == ("truncated", 256, 602)  # type: ignore[union-attr]


def test_bundles_that_are_gone_by_retention_are_passed_over_when_that_is_said(
    export: Path, keys: Any, found: Callable[[], Report]
) -> None:
    (export / "tile/entries/000").unlink()
    assert first_of(found()) == ("deleted", 0, "tile/entries/000")
    report = keys.verify(export, export, minimum_index=300)
    assert report.is_whole
    assert any("256 entries that retention deleted" in line for line in report.not_checked)


@pytest.mark.parametrize(("bundle", "limits"), [("000", {}), ("001", {"minimum_index": 601})])
def test_retention_deletes_from_the_start_and_never_what_comes_after_its_own_record(
    bundle: str, limits: dict[str, int], keys: Any, tmp_path: Path
) -> None:
    history = History()
    history.append(600)
    fact = {"epoch": 1, "month": "2026-11", "first_position": 0, "entry_count": 602}
    history.leaves.append(sample_entry(600, history.now, type="audit.segment.deleted.v1", body=fact))
    history.append(1)
    history.keep(keys.log, keys.witness)
    files = files_of(history)
    del files[f"tile/entries/{bundle}"]
    report = keys.verify(files, tmp_path, **limits)
    first = 256 * int(bundle)
    assert (report.first.kind, report.first.first, report.first.last) == ("deleted", first, first + 255)


def test_what_the_log_itself_says_it_deleted_may_be_gone_and_no_bundle_more(keys: Any, tmp_path: Path) -> None:
    """Two months of 300 entries; the first is over. The bundle that holds entries of both is still there."""
    history = History()
    history.append(600)
    fact = {"epoch": 1, "month": "2026-11", "first_position": 0, "entry_count": 300}
    history.leaves.append(sample_entry(600, history.now, type="audit.segment.deleted.v1", body=fact))
    history.keep(keys.log, keys.witness)
    files = files_of(history)
    del files["tile/entries/000"]
    report = keys.verify(files, tmp_path / "first")
    assert report.is_whole, report.findings
    assert (report.entries, report.size) == (345, 601)
    del files["tile/entries/001"]
    report = keys.verify(files, tmp_path / "both")
    assert (report.first.kind, report.first.first, report.first.last) == ("deleted", 256, 511)


def test_a_body_beside_that_is_missing_or_another_is_named_with_its_entry(
    export: Path, found: Callable[[], Report]
) -> None:
    [body] = (export / "bodies").iterdir()
    body.write_bytes(b'{"body":[]}')
    assert first_of(found())[:2] == ("body", 602)
    body.unlink()
    assert "no such file" in str(found().first)


def with_stray_bits(note: bytes) -> bytes:
    """Write the last signature in another spelling of the same bytes."""
    alphabet = string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/"
    body = note.rstrip(b"=\n")
    return body[:-1] + alphabet[alphabet.index(chr(body[-1])) | 1].encode() + note[len(body) :]


NOTES = {
    "101 signatures, more than 100": lambda note, keys: note + 99 * note[note.rindex("\u2014".encode()) :],
    "not canonical base64": lambda note, keys: with_stray_bits(note),
    "not UTF-8": lambda note, keys: b"\xff" + note,
    "control characters": lambda note, keys: note.replace(b"\n", b"\r\n", 1),
    "not a signed note": lambda note, keys: note.split(b"\n\n")[0],
    "not a signature line": lambda note, keys: note.replace("\u2014 ".encode(), b"- ", 1),
    "not base64": lambda note, keys: note.replace(b"=\n\n", b"*\n\n", 1),
    "does not verify": lambda note, keys: note.replace(b"\n603\n", b"\n604\n", 1),
    "not a tree size": lambda note, keys: note.replace(b"\n603\n", b"\n0603\n", 1),
}


@pytest.mark.parametrize("words", NOTES)
def test_a_damaged_checkpoint_says_why_and_the_newest_kept_one_takes_its_place(
    words: str, export: Path, found: Callable[[], Report], keys: Any
) -> None:
    path = export / "checkpoint"
    path.write_bytes(NOTES[words](path.read_bytes(), keys))
    report = found()
    assert report.first is not None
    assert (report.first.kind, report.size) == ("checkpoint", 603)
    assert words in report.first.text
    assert report.checkpoints == 5 + 1


@pytest.mark.parametrize("size", [2**63 - 1, 2**40, 10_000])
def test_a_signed_size_far_beyond_the_files_ends_where_they_end(
    size: int, export: Path, found: Callable[[], Report], keys: Any
) -> None:
    forged = History().note([keys.log, keys.witness], size, root=bytes(32))
    (export / "checkpoint").write_bytes(forged)
    assert "truncated" in {finding.kind for finding in found().findings}


@pytest.mark.parametrize("size", ["9223372036854775808", "1" * 5000, "-1", "1e3", "\u0661"])
def test_a_size_that_is_no_size_is_refused(size: str, export: Path, keys: Any, found: Callable[[], Report]) -> None:
    text = f"{keys.log.name}\n{size}\n{base64.b64encode(bytes(32)).decode()}\n"
    (export / "checkpoint").write_text(f"{text}\n{keys.log.line(text)}")
    assert "is not a tree size" in str(found().findings[0])


def test_other_logs_and_other_keys_cannot_be_judged(export: Path, keys: Any) -> None:
    stranger = replace(keys, log=Signer("audit.yoyaku/other/1"), next=Signer("audit.yoyaku/other/1", seed=1))
    with pytest.raises(InputError, match=r"of the log 'audit.yoyaku/test/1', the keys are of .*other"):
        stranger.verify(export, export)
    unknown = replace(keys, log=Signer(keys.log.name, seed=7), next=Signer(keys.log.name, seed=8))
    (export / "checkpoint").write_bytes((export / "checkpoints/100").read_bytes().rsplit("\u2014".encode(), 1)[0])
    with pytest.raises(InputError, match="no signature by a key that was given"):
        unknown.verify(export, export)


def test_a_key_of_another_log_does_not_sign_for_this_one(keys: Any) -> None:
    other = Signer("audit.yoyaku/other/1")
    history = History()
    history.append(1)
    trust = Trust([Key.parse(signer.vkey, LOG_SIGNATURE) for signer in (keys.log, other)])
    assert trust.open(history.note([keys.log, other]), "it").signed_by == (keys.log.vkey.rsplit("+", 1)[0],)
    with pytest.raises(DamageError, match="it: no signature by a key that was given"):
        trust.open(history.note([other]), "it")


@pytest.mark.parametrize("text", ["", "x", "a+b+c", "log+00000000+AAAA", "log+zz+AQ==", "+1234abcd+AQ=="])
def test_a_text_that_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="not a verifier key"):
        Key.parse(text, 1)


def test_a_key_with_another_id_or_of_another_kind_is_refused(keys: Any) -> None:
    name, _, material = keys.log.vkey.split("+", 2)
    with pytest.raises(InputError, match="was it copied whole"):
        Key.parse(f"{name}+00000000+{material}", 1)
    with pytest.raises(InputError, match="a key of type 4, where a log's key"):
        Key.parse(keys.witness.vkey, 1)


LEAVES = {
    "not JSON": b"{",
    "not one JSON object": b"[]",
    "no position": b'{"v":1}',
    "no time of recording": b'{"v":1,"position":3,"recorded_at":"2026-11-24"}',
    "nested more than 100 deep": b'{"a":' + b"[" * 100 + b"]" * 100 + b',"position":3,"v":1}',
    "no position or no time": b'{"v":1,"position":' + b"9" * 4300 + b',"recorded_at":"2026-11-24T02:51:00.000000Z"}',
    "recursion depth": b'{"a":' * 13_000,
    "its version is 2": b'{"v":2,"position":3,"recorded_at":"2026-11-24T02:51:00.000000Z"}',
    "says that it is 9": b'{"v":1,"position":9,"recorded_at":"2026-11-24T02:51:00.000000Z"}',
    "after an entry that was recorded": b'{"v":1,"position":3,"recorded_at":"2026-02-30T00:00:00.000000Z"}',
    "no digest or size": b'{"body_sha256":"../x","position":3,"recorded_at":"2026-11-24T02:51:00.000000Z","v":1}',
    "not JSON: ": b'{"position":' + b"9" * 5000 + b"}",
    "not JSON: 'utf-8'": b"\xff",
}


@pytest.mark.parametrize("words", LEAVES)
def test_a_leaf_that_the_log_signed_but_is_no_entry_is_named(words: str, keys: Any, tmp_path: Path) -> None:
    history = History()
    history.append(3)
    history.leaves.append(LEAVES[words])
    history.keep(keys.log, keys.witness)
    report = keys.verify(files_of(history), tmp_path)
    assert report.first is not None
    assert (report.first.first, words in str(report.first)) == (3, True), report.findings


def test_a_kept_checkpoint_with_another_size_than_its_name_is_named(export: Path, found: Callable[[], Report]) -> None:
    (export / "checkpoints/100").rename(export / "checkpoints/101")
    assert first_of(found()) == ("checkpoint", None, "checkpoints/101")


def test_two_signed_checkpoints_of_one_size_are_a_fork(
    export: Path, found: Callable[[], Report], keys: Any, honest: Callable[..., History]
) -> None:
    other = honest(100, 156, 256, 90)
    other.leaves[300] = other.leaves[301]
    (export / "checkpoint").write_bytes(other.note([keys.next]))
    for name, data in (tiles_of(other.hashes) | bundles_of(other.leaves)).items():
        (export / name).parent.mkdir(parents=True, exist_ok=True)
        (export / name).write_bytes(data)
    report = found()
    forked = next(finding for finding in report.findings if finding.kind == "forked")
    assert (forked.first, forked.last, forked.where) == (100, 511, "checkpoints/512")


@pytest.mark.parametrize(("tolerance", "first"), [(0, 1), (49.9, 1), (60, 2), (100, None)])
def test_times_may_go_back_by_the_tolerance_from_the_latest_so_far_and_no_further(
    tolerance: float, first: int | None, keys: Any, tmp_path: Path
) -> None:
    history = History()
    for position, back in enumerate((0, 50, 100)):
        history.leaves.append(sample_entry(position, history.now - timedelta(seconds=back)))
    history.keep(keys.log, keys.witness)
    report = keys.verify(files_of(history), tmp_path, tolerance_seconds=tolerance)
    assert (report.first.first if report.first else None) == first
    assert {finding.kind for finding in report.findings} <= {"back-dated"}


def test_where_the_files_end_early_the_witness_is_not_blamed(keys: Any, tmp_path: Path) -> None:
    history = History()
    history.append(300)
    history.keep(keys.log, keys.witness)
    files = {name: data for name, data in files_of(history).items() if ".p/44" not in name}
    report = keys.verify(files, tmp_path)
    assert {finding.kind for finding in report.findings} == {"tile", "truncated", "unproven"}
    assert (report.first.kind, report.first.first) == ("truncated", 256)
