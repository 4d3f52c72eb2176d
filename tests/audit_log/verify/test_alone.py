"""The verifier stands alone: a copied folder, the standard library and cryptography; and it agrees with strangers."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import cryptography
import pytest

import yoyaku.audit_log.verify
from yoyaku.audit_log.domain.leaf import Sealing
from yoyaku.audit_log.domain.leaf import leaf_of as service_leaf_of
from yoyaku.audit_log.verify.formats import COSIGNATURE, LOG_SIGNATURE, Key
from yoyaku.audit_log.verify.judge import verify
from yoyaku.audit_log.verify.proof import check
from yoyaku.testkit.audit_exports import History, files_of, write_files
from yoyaku.testkit.third_party import check_with_third_party
from yoyaku.tlog.checkpoint import Checkpoint
from yoyaku.tlog.cosignature import cosign
from yoyaku.tlog.keys import Algorithm, SigningKey
from yoyaku.tlog.merkle import leaf_hash
from yoyaku.tlog.proof import LogProof
from yoyaku.tlog.tile_proofs import inclusion_proof, tiles_for_inclusion
from yoyaku.tlog.tile_tree import TileTree
from yoyaku.tlog.tiles import TILE_WIDTH, TileId, bundles_of, encode_bundle, entries_path, tile_path

FOLDER = Path(yoyaku.audit_log.verify.__file__).parent
SITE = Path(cryptography.__file__).parents[1]
RUN = (
    "import sys, runpy; sys.path += sys.argv[1:3]; sys.argv[:] = ['verify', *sys.argv[3:]]\n"
    "try:\n    import yoyaku\nexcept ImportError: runpy.run_module('verify', run_name='__main__', alter_sys=True)"
)


@pytest.fixture
def alone(tmp_path: Path) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """`alone(...)` runs a copy of the folder with an isolated Python that sees nothing else but cryptography."""
    copied, only = tmp_path / "copied", tmp_path / "only"
    shutil.copytree(FOLDER, copied / "verify", ignore=shutil.ignore_patterns("__pycache__"))
    only.mkdir()
    for needed in (*SITE.glob("cryptography"), *SITE.glob("_cffi_backend*")):
        (only / needed.name).symlink_to(needed)

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-I", "-S", "-c", RUN, str(copied), str(only), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    return run


@pytest.mark.requirement("AU-03")
def test_a_copied_folder_verifies_and_checks_without_yoyaku(
    alone: Callable[..., Any], honest: Callable[..., History], keys: Any, tmp_path: Path
) -> None:
    history = honest(250, 10)
    export = write_files(tmp_path / "export", files_of(history))
    trusted = ["--key", keys.log.vkey, "--witness", keys.witness.vkey]
    since = tmp_path / "kept-elsewhere"
    since.write_bytes(history.notes[250])
    done = alone(str(export), *trusted, "--since", str(since))
    assert (done.returncode, done.stderr) == (0, ""), done
    assert done.stdout.startswith("WHOLE  audit.yoyaku/test/1\nentries:      260 of 260")

    proof = tmp_path / "entry.tlog-proof"
    proof.write_bytes(history.proof_file(7, 250))
    done = alone("check", str(proof), *trusted, "--entry-only")
    assert (done.returncode, done.stdout) == (0, history.leaves[7].decode() + "\n")

    damaged = export / "tile/entries/001.p/4"
    damaged.write_bytes(damaged.read_bytes().replace(b"reservation/258", b"reservation/852"))
    done = alone(str(export), *trusted)
    assert done.returncode == 1
    assert "\nfirst bad:    entry 258: edited: it does not hash to what the signed tree holds" in done.stdout

    done = alone(str(tmp_path / "nowhere"), *trusted)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: {tmp_path}/nowhere: no such folder\n"


def test_no_module_of_it_imports_anything_but_the_standard_library_and_cryptography() -> None:
    lines = [line.split() for file in FOLDER.glob("*.py") for line in file.read_text().splitlines()]
    imported = {words[1].split(".")[0] for words in lines if words[:1] in (["import"], ["from"])}
    assert imported - set(sys.stdlib_module_names) == {"", "cryptography"}


def test_an_export_that_the_logs_own_library_wrote_is_whole_and_its_proof_holds(tmp_path: Path) -> None:
    """The library and the verifier share no code; the tree grows over two terms, with a rotation of keys between."""
    origin, history, tree = "audit.yoyaku/test/1", History(), TileTree()
    log, following = SigningKey.generate(origin), SigningKey.generate(origin)
    witness = SigningKey.generate("witness.yoyaku/test", Algorithm.COSIGNATURE_V1)
    tiles: dict[TileId, bytes] = {}
    files: dict[str, bytes] = {}
    for count, signers in ((300, [log]), (700, [log, following])):
        history.append(count)
        tiles.update(tree.append([leaf_hash(leaf) for leaf in history.leaves[-count:]]))
        checkpoint = Checkpoint(origin, tree.size, tree.root())
        note = checkpoint.sign(signers).signed_also([cosign(checkpoint.text(), witness, 1_796_000_000)])
        files[f"checkpoints/{tree.size}"] = files["checkpoint"] = note.encode()
        tree = TileTree.restore(tree.size, tree.partials())
    tiles.update(tree.partials())
    files |= {tile_path(tile): data for tile, data in tiles.items()}
    for bundle in bundles_of(tree.size):
        at = bundle.index * TILE_WIDTH
        files[entries_path(bundle)] = encode_bundle(history.leaves[at : at + bundle.width])
    proof = inclusion_proof(617, tree.size, {tile: tiles[tile] for tile in tiles_for_inclusion(617, tree.size)})
    proven = LogProof(617, tuple(proof), note, history.leaves[617]).encode()

    keys = [Key.parse(key.vkey, LOG_SIGNATURE) for key in (log, following)]
    witnesses = [Key.parse(witness.vkey, COSIGNATURE)]
    report = verify(write_files(tmp_path, files), keys=keys, witnesses=witnesses)
    assert report.is_whole, report.findings
    assert (report.checkpoints, report.cosigned_entries) == (3, 1000)
    assert check(proven, keys=keys, witnesses=witnesses).entry["position"] == 617


def test_the_leaves_that_the_service_writes_are_entries(fact: Callable[..., Any], keys: Any, tmp_path: Path) -> None:
    sealing = Sealing(
        lambda key, pointer, plain: {"key": key, "sealed": "AAAA"},
        address_key="person/1",
        body_key="person/1",
        body_fields=frozenset({"title"}),
    )
    facts = [
        fact(0),
        fact(1, body=b'{"title":"A"}'),
        fact(2, body=b"\xff"),
        fact(3, body=b'{"a":"' + b"x" * 70_000 + b'"}'),
    ]
    history = History()
    for position, one in enumerate(facts):
        written = service_leaf_of(one, position, history.now, sealing if position else None)
        history.leaves.append(written.leaf)
        if written.beside is not None:
            history.bodies[sha256(written.beside).hexdigest()] = written.beside
    history.keep(keys.log, keys.witness)
    report = keys.verify(files_of(history), tmp_path)
    assert report.is_whole, report.findings
    assert (report.entries, report.bodies) == (4, 1)


def test_the_exports_of_these_tests_are_taken_by_code_of_others(keys: Any, tmp_path: Path) -> None:
    history = History()
    for count in (100, 156, 256, 90):
        history.append(count)
        history.keep(keys.log, keys.witness)
    export = write_files(tmp_path, files_of(history))
    checked = check_with_third_party(export, key=keys.log.vkey, witness=keys.witness.vkey)
    assert checked.holds, checked.says
