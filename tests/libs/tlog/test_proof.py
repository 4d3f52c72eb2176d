from base64 import b64encode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yoyaku.testkit import rfc6962
from yoyaku.tlog.checkpoint import Checkpoint
from yoyaku.tlog.cosignature import cosign
from yoyaku.tlog.errors import InvalidSignatureError, MalformedProofError, ProofError, UnverifiedNoteError
from yoyaku.tlog.keys import Algorithm, SigningKey
from yoyaku.tlog.merkle import leaf_hash
from yoyaku.tlog.note import Note
from yoyaku.tlog.proof import LogProof

pytestmark = pytest.mark.requirement("AU-02")

ORIGIN = "audit.yoyaku/test/1"
LOG = SigningKey(ORIGIN, b"\x01" * 32)
WITNESS = SigningKey("witness.yoyaku/test", b"\x02" * 32, Algorithm.COSIGNATURE_V1)
DATA = rfc6962.numbered_leaves(40)
NOTE = Checkpoint(ORIGIN, 40, rfc6962.merkle_tree_hash(DATA)).sign([LOG])
GOOD = NOTE.encode().decode()
HASH = b64encode(b"\x00" * 32).decode()
HEADER = "c2sp.org/tlog-proof@v1"


def test_a_proof_is_laid_out_as_the_document_says() -> None:
    hashes = rfc6962.audit_path(7, DATA)
    lines = [HEADER, "extra aGVsbG8=", "index 7", *(b64encode(h).decode() for h in hashes), "", GOOD]
    assert LogProof(7, tuple(hashes), NOTE, b"hello").encode().decode() == "\n".join(lines)
    without = "\n".join([HEADER, "index 7", *lines[3:]])
    assert LogProof(7, tuple(hashes), NOTE).encode().decode() == without


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 39), st.none() | st.binary(max_size=50))
def test_a_proof_verifies_anywhere(index: int, extra: bytes | None) -> None:
    note = NOTE.signed_also([cosign(NOTE.text, WITNESS, 1_763_000_000)])
    made = LogProof(index, tuple(rfc6962.audit_path(index, DATA)), note, extra)
    read = LogProof.parse(made.encode())
    assert read == made
    opened = read.verify(
        leaf_hash(DATA[index]), origin=ORIGIN, log_keys=[LOG.verifier], witness_keys=[WITNESS.verifier]
    )
    assert (opened.checkpoint.size, len(opened.cosignatures)) == (40, 1)
    with pytest.raises(ProofError):
        read.verify(leaf_hash(b"another"), origin=ORIGIN, log_keys=[LOG.verifier])
    with pytest.raises(ProofError):
        LogProof(index ^ 1, made.hashes, note).verify(leaf_hash(DATA[index]), origin=ORIGIN, log_keys=[LOG.verifier])


def test_a_tree_of_one_leaf_needs_no_hash() -> None:
    note = Checkpoint(ORIGIN, 1, leaf_hash(b"only")).sign([LOG])
    read = LogProof.parse(LogProof(0, (), note).encode())
    read.verify(leaf_hash(b"only"), origin=ORIGIN, log_keys=[LOG.verifier])


def test_a_proof_under_a_checkpoint_that_nobody_known_signed_does_not_verify() -> None:
    proof = LogProof(0, tuple(rfc6962.audit_path(0, DATA)), NOTE)
    leaf = leaf_hash(DATA[0])
    with pytest.raises(UnverifiedNoteError):
        proof.verify(leaf, origin=ORIGIN, log_keys=[SigningKey(ORIGIN, b"\x07" * 32).verifier])
    with pytest.raises(UnverifiedNoteError):
        proof.verify(leaf, origin="elsewhere", log_keys=[LOG.verifier])
    forged = Note(Checkpoint(ORIGIN, 40, b"\x00" * 32).text(), NOTE.signatures)
    with pytest.raises(InvalidSignatureError):
        LogProof(0, proof.hashes, forged).verify(leaf, origin=ORIGIN, log_keys=[LOG.verifier])


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ("", "first line"),
        (f"c2sp.org/tlog-proof@v2\nindex 0\n\n{GOOD}", "first line is not"),
        (f"{HEADER}\nindex 0", "no empty line"),
        (f"{HEADER}\n\n{GOOD}", "no line that begins with 'index '"),
        (f"{HEADER}\nindex 0\nextra AAAA\n\n{GOOD}", "hash 0"),
        (f"{HEADER}\nextra AAAA\nextra AAAA\nindex 0\n\n{GOOD}", "where it should be"),
        (f"{HEADER}\nextra !\nindex 0\n\n{GOOD}", "extra data"),
        (f"{HEADER}\nindex 00\n\n{GOOD}", "index"),
        (f"{HEADER}\nindex -1\n\n{GOOD}", "index"),
        (f"{HEADER}\nindex {2**63}\n\n{GOOD}", "larger than"),
        (f"{HEADER}\nindex 0\nAAAA\n\n{GOOD}", "hash 0 of the proof: a hash has 32 bytes"),
        (f"{HEADER}\nindex 0\n{HASH}\n{HASH[:-1]}\n\n{GOOD}", "hash 1"),
        (f"{HEADER}\nindex 0\n" + f"{HASH}\n" * 64 + f"\n{GOOD}", "more than 63"),
        (f"{HEADER}\nindex 0\n" + f"{HASH}\n" * 99 + f"\n{GOOD}", "more than 63"),
        (f"{HEADER}\nindex 0\n\n{GOOD[:-1]}", "checkpoint: .*newline"),
        (f"{HEADER}\r\nindex 0\r\n\r\n{GOOD}", "control character"),
        (b"\xff", "not UTF-8"),
        (b"x" * 2_000_001, "longer than"),
    ],
)
def test_a_malformed_proof_is_refused(data: bytes | str, says: str) -> None:
    with pytest.raises(MalformedProofError, match=says):
        LogProof.parse(data)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=40) | st.text("extra index 019+=\nA", max_size=60))
def test_any_file_is_read_or_refused(head: str) -> None:
    for data in (
        head,
        f"{HEADER}\n{head}\n\n{GOOD}",
        f"{HEADER}\nindex {head}\n\n{GOOD}",
        f"{HEADER}\nindex 0\n\n{head}",
    ):
        try:
            read = LogProof.parse(data)
        except MalformedProofError:
            continue
        assert read.encode() == data.encode()


def test_the_longest_proof_fits() -> None:
    longest = LogProof(2**63 - 2, (b"\x00" * 32,) * 63, NOTE)
    assert LogProof.parse(longest.encode()) == longest


def test_what_cannot_be_written_is_not_made() -> None:
    for index, hashes in [(-1, ()), (2**63, ()), (0, (b"short",)), (0, (b"\x00" * 32,) * 64)]:
        with pytest.raises(MalformedProofError):
            LogProof(index, hashes, NOTE)
