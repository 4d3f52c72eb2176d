"""Software that nobody here wrote checks a log's folder as it stands: Go's tessera (fsck, client) and formats."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from yoyaku.testkit.third_party import Checked, check_with_third_party
from yoyaku.tlog.checkpoint import Checkpoint
from yoyaku.tlog.cosignature import cosign
from yoyaku.tlog.keys import Algorithm, SigningKey
from yoyaku.tlog.merkle import leaf_hash
from yoyaku.tlog.note import Note, parse_note
from yoyaku.tlog.proof import LogProof
from yoyaku.tlog.tile_proofs import inclusion_proof, tiles_for_inclusion
from yoyaku.tlog.tile_tree import TileTree
from yoyaku.tlog.tiles import bundles_of, encode_bundle, entries_path, tile_path

pytestmark = [pytest.mark.requirement("AU-03"), pytest.mark.timeout(360)]

SIZE = 70_000
"""Three levels of tiles, each with a partial one."""

KEPT = (1, 256, 65_536, 69_999, SIZE)
LOG = SigningKey("audit.yoyaku/test/1", b"\x01" * 32)
STRANGER = SigningKey(LOG.name, b"\x02" * 32)
WITNESS = SigningKey("witness.yoyaku/test", b"\x03" * 32, Algorithm.COSIGNATURE_V1)


def write(folder: Path, path: str, data: bytes) -> None:
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)


def signed(tree: TileTree) -> Note:
    note = Checkpoint(LOG.name, tree.size, tree.root()).sign([LOG])
    return note.signed_also([cosign(note.text, WITNESS, 1_763_000_000)])


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("log")
    entries = [b'{"position":%d,"v":1}' % position for position in range(SIZE)]
    tree = TileTree()
    for end in KEPT:
        for tile, data in tree.append([leaf_hash(entry) for entry in entries[tree.size : end]]):
            write(folder, tile_path(tile), data)
        write(folder, f"checkpoints/{end}", signed(tree).encode())
    for tile, data in tree.partials().items():
        write(folder, tile_path(tile), data)
    for bundle in bundles_of(SIZE):
        begin = bundle.index * 256
        write(folder, entries_path(bundle), encode_bundle(entries[begin : begin + bundle.width]))
    write(folder, "checkpoint", signed(tree).encode())
    return folder


def check(folder: Path, key: SigningKey = LOG) -> Checked:
    return check_with_third_party(folder, key=key.vkey, witness=WITNESS.vkey)


def test_our_folder_is_a_log_to_others(honest: Path) -> None:
    checked = check(honest)
    assert checked.holds, checked.says
    root = Checkpoint.parse((honest / "checkpoint").read_text().split("\n\n")[0] + "\n").root.hex()
    assert f"ok: audit.yoyaku/test/1, size 70000, root {root}, cosigned by 1, checkpoints kept: 5" in checked.says


def test_our_proof_is_one_to_others(honest: Path, tmp_path: Path) -> None:
    entry, note = b'{"position":4711,"v":1}', parse_note((honest / "checkpoint").read_bytes())
    tiles = {tile: (honest / tile_path(tile)).read_bytes() for tile in tiles_for_inclusion(4711, SIZE)}
    proof = LogProof(4711, tuple(inclusion_proof(4711, SIZE, tiles)), note, extra=entry)
    file = tmp_path / "one.tlog-proof"
    file.write_bytes(proof.encode())
    checked = check(file)
    assert checked.holds, checked.says
    assert "ok: audit.yoyaku/test/1, entry 4711 of 70000, 23 bytes, cosigned by 1" in checked.says
    for wrong in (replace(proof, extra=b'{"position":4712,"v":1}'), replace(proof, index=4710)):
        file.write_bytes(wrong.encode())
        assert not check(file).holds
    file.write_bytes(proof.encode())
    assert not check(file, STRANGER).holds


def flip(path: str, place: int = -1) -> Callable[[Path], None]:
    def act(folder: Path) -> None:
        data = bytearray((folder / path).read_bytes())
        data[place] ^= 1
        (folder / path).write_bytes(data)

    return act


def remove(path: str) -> Callable[[Path], None]:
    return lambda folder: (folder / path).unlink()


def shorten(path: str) -> Callable[[Path], None]:
    return lambda folder: (folder / path).write_bytes((folder / path).read_bytes()[:-40])


def fork(folder: Path) -> None:
    """A kept checkpoint, well signed, of another past."""
    tree = TileTree()
    tree.append([leaf_hash(b"another past")] * 256)
    write(folder, "checkpoints/256", signed(tree).encode())


def uncosigned(folder: Path) -> None:
    lines = (folder / "checkpoint").read_text().splitlines(keepends=True)
    (folder / "checkpoint").write_text("".join(lines[:-1]))


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (flip("tile/entries/100", 5000), "tile/0/100"),
        (flip("tile/entries/273.p/112"), "tile/0/273"),
        (flip("tile/0/100"), "tile/0/100"),
        (flip("tile/1/000"), "tile/1/000"),
        (flip("tile/2/000.p/1"), "tile/2/000"),
        (flip("checkpoint", 30), "checkpoint"),
        (flip("checkpoints/256", 30), "checkpoints/256"),
        (remove("tile/0/272"), "tile/0/272"),
        (remove("tile/entries/000"), "tile/entries/000"),
        (shorten("tile/entries/200"), ""),
        (shorten("tile/1/001.p/17"), "tile/1/001"),
        (fork, "the log does not begin with it"),
        (uncosigned, "cosignature"),
    ],
)
def test_damage_is_found_by_others_too(honest: Path, tmp_path: Path, damage: Callable[[Path], None], says: str) -> None:
    folder = tmp_path / "log"
    shutil.copytree(honest, folder)
    damage(folder)
    checked = check(folder)
    assert not checked.holds
    assert says in checked.says
    assert "goroutine" not in checked.says


def test_another_key_is_not_taken(honest: Path) -> None:
    assert not check(honest, STRANGER).holds
    checked = check_with_third_party(
        honest, key=LOG.vkey, witness=SigningKey("w", b"\x04" * 32, WITNESS.algorithm).vkey
    )
    assert not checked.holds
    assert "cosignature" in checked.says
