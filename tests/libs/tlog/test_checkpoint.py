import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yoyaku.tlog.checkpoint import Checkpoint, open_checkpoint
from yoyaku.tlog.cosignature import cosign, cosigned_at, verify_cosignature
from yoyaku.tlog.errors import (
    InvalidSignatureError,
    MalformedCheckpointError,
    MalformedKeyError,
    MalformedNoteError,
    UnverifiedNoteError,
)
from yoyaku.tlog.keys import Algorithm, SigningKey, VerifierKey
from yoyaku.tlog.merkle import EMPTY_ROOT
from yoyaku.tlog.note import Note, Signature, parse_note, sign, verify

pytestmark = pytest.mark.requirement("AU-02")

ORIGIN = "audit.yoyaku/test/1"
LOG = SigningKey(ORIGIN, b"\x01" * 32)
WITNESS = SigningKey("witness.yoyaku/test", b"\x02" * 32, Algorithm.COSIGNATURE_V1)
ROOT = bytes(range(32))
TIME = 1_763_000_000

C2SP = """example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa \
Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 \
jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
"""
"""The example of C2SP tlog-cosignature."""


def test_the_checkpoint_of_the_c2sp_documents_is_read_and_written_again() -> None:
    note = parse_note(C2SP)
    checkpoint = Checkpoint.parse(note.text)
    assert (checkpoint.origin, checkpoint.size, checkpoint.extensions) == ("example.com/behind-the-sofa", 20852163, ())
    assert checkpoint.root.hex().startswith("0ac5186a91863e8e")
    assert checkpoint.text() == note.text
    assert cosigned_at(note.signatures[1]) == 1679315147


def test_a_signed_checkpoint_opens() -> None:
    checkpoint = Checkpoint(ORIGIN, 42, ROOT)
    note = checkpoint.sign([LOG])
    note = note.signed_also([cosign(note.text, WITNESS, TIME), Signature("stranger", 1, b"x")])
    opened = open_checkpoint(
        note.encode(), origin=ORIGIN, log_keys=[LOG.verifier], witness_keys=[VerifierKey.parse(WITNESS.vkey)]
    )
    assert opened.checkpoint == checkpoint
    assert opened.note == note
    assert [s.name for s in opened.signatures] == [ORIGIN]
    assert [cosigned_at(s) for s in opened.cosignatures] == [TIME]
    assert open_checkpoint(note.encode(), origin=ORIGIN, log_keys=[LOG.verifier]).cosignatures == ()


def test_a_checkpoint_of_nobody_known_or_of_elsewhere_does_not_open() -> None:
    note = Checkpoint(ORIGIN, 42, ROOT).sign([LOG])
    with pytest.raises(UnverifiedNoteError):
        open_checkpoint(note.encode(), origin=ORIGIN, log_keys=[SigningKey(ORIGIN, b"\x09" * 32).verifier])
    with pytest.raises(UnverifiedNoteError, match=r"not of 'audit\.yoyaku/test/2'"):
        open_checkpoint(note.encode(), origin="audit.yoyaku/test/2", log_keys=[LOG.verifier])
    edited = Note(Checkpoint(ORIGIN, 41, ROOT).text(), note.signatures)
    with pytest.raises(InvalidSignatureError):
        open_checkpoint(edited.encode(), origin=ORIGIN, log_keys=[LOG.verifier])
    with pytest.raises(MalformedCheckpointError):
        open_checkpoint(sign("no checkpoint\n", [LOG]).encode(), origin=ORIGIN, log_keys=[LOG.verifier])
    forged = note.signed_also([Signature(WITNESS.name, WITNESS.verifier.key_id, b"\x00" * 72)])
    with pytest.raises(InvalidSignatureError, match="witness"):
        open_checkpoint(forged.encode(), origin=ORIGIN, log_keys=[LOG.verifier], witness_keys=[WITNESS.verifier])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "newline"),
        ("\n", "at least 3 lines"),
        ("o\n1\n", "at least 3 lines"),
        ("o\n1\nAAAA", "newline"),
        (f"\n1\n{'A' * 43}=\n", "origin is empty"),
        (f"o\n\n{'A' * 43}=\n", "tree size"),
        (f"o\n01\n{'A' * 43}=\n", "tree size"),
        (f"o\n+1\n{'A' * 43}=\n", "tree size"),
        (f"o\n-1\n{'A' * 43}=\n", "tree size"),
        (f"o\n 1\n{'A' * 43}=\n", "tree size"),
        (f"o\n1_0\n{'A' * 43}=\n", "tree size"),
        (f"o\n１\n{'A' * 43}=\n", "tree size"),
        (f"o\n{2**63}\n{'A' * 43}=\n", "larger than"),
        (f"o\n{'9' * 5000}\n{'A' * 43}=\n", "too large"),
        ("o\n1\nAAAA\n", "32 bytes, this one has 3"),
        ("o\n1\n\n", "32 bytes, this one has 0"),
        (f"o\n1\n{'A' * 42}B=\n", "canonical"),
        (f"o\n1\n{'A' * 42}\n", "base64"),
        (f"o\n1\n{'A' * 43}=\n\n", "extension line is empty"),
        (f"o\r\n1\n{'A' * 43}=\n", "control character"),
    ],
)
def test_a_malformed_checkpoint_is_refused(text: str, says: str) -> None:
    with pytest.raises(MalformedCheckpointError, match=says):
        Checkpoint.parse(text)


LINE = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters=[chr(c) for c in range(32)]), min_size=1, max_size=20
)


@settings(max_examples=60, deadline=None)
@given(LINE, st.integers(0, 2**63 - 1), st.binary(min_size=32, max_size=32), st.lists(LINE, max_size=3))
def test_a_checkpoint_reads_back_what_it_writes(origin: str, size: int, root: bytes, extensions: list[str]) -> None:
    checkpoint = Checkpoint(origin, size, root, tuple(extensions))
    assert Checkpoint.parse(checkpoint.text()) == checkpoint


@pytest.mark.parametrize(
    "parts",
    [("", 1, ROOT), ("a\nb", 1, ROOT), ("a", -1, ROOT), ("a", 2**63, ROOT), ("a", 1, ROOT[:31]), ("a", 1, ROOT, ("",))],
)
def test_what_cannot_be_written_is_not_made(parts: tuple[str, int, bytes]) -> None:
    with pytest.raises(MalformedCheckpointError):
        Checkpoint(*parts)


def test_the_empty_tree_has_size_zero() -> None:
    assert Checkpoint(ORIGIN, 0, EMPTY_ROOT).text() == f"{ORIGIN}\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"


def test_a_cosignature_is_over_text_and_time() -> None:
    text = Checkpoint(ORIGIN, 42, ROOT).text()
    signature = cosign(text, WITNESS, TIME)
    assert verify_cosignature(text, signature, WITNESS.verifier) == TIME
    assert verify(Note(text, (signature,)), [WITNESS.verifier]) == (signature,)
    message = f"cosignature/v1\ntime {TIME}\n{text}".encode()
    assert signature.value == TIME.to_bytes(8, "big") + WITNESS.raw_signature(message)
    later = Signature(signature.name, signature.key_id, (TIME + 1).to_bytes(8, "big") + signature.value[8:])
    other_text = Checkpoint(ORIGIN, 43, ROOT).text()
    for wrong_text, wrong in [(text, later), (other_text, signature), (text, Signature("x", 1, signature.value))]:
        with pytest.raises(InvalidSignatureError):
            verify_cosignature(wrong_text, wrong, WITNESS.verifier)


def test_a_signature_of_the_note_is_no_cosignature() -> None:
    """One Ed25519 key under both kinds: what it signed as a log counts as no cosignature, nor the other way round."""
    twin = SigningKey(LOG.name, LOG.seed, Algorithm.COSIGNATURE_V1)
    note = Checkpoint(ORIGIN, 42, ROOT).sign([LOG])
    with pytest.raises(UnverifiedNoteError):
        verify(note, [twin.verifier])
    with pytest.raises(UnverifiedNoteError):
        verify(Note(note.text, (cosign(note.text, twin, TIME),)), [LOG.verifier])
    for value in (note.signatures[0].value, b"\x00" * 71, b"\x00" * 73, b"\xff" * 72):
        with pytest.raises(MalformedNoteError, match="no cosignature"):
            cosigned_at(Signature("x", 1, value))


@pytest.mark.parametrize("time", [0, -1, 2**63])
def test_a_cosignature_has_a_time(time: int) -> None:
    with pytest.raises(MalformedKeyError, match="time"):
        cosign(Checkpoint(ORIGIN, 42, ROOT).text(), WITNESS, time)


def test_only_checkpoints_are_cosigned_and_only_by_witness_keys() -> None:
    with pytest.raises(MalformedCheckpointError):
        cosign("no checkpoint\n", WITNESS, TIME)
    with pytest.raises(MalformedKeyError):
        cosign(Checkpoint(ORIGIN, 42, ROOT).text(), LOG, TIME)
    with pytest.raises(MalformedKeyError):
        verify_cosignature(Checkpoint(ORIGIN, 42, ROOT).text(), Signature("x", 1, b""), LOG.verifier)


def test_a_time_beyond_63_bits_does_not_verify() -> None:
    text = Checkpoint(ORIGIN, 42, ROOT).text()
    value = (2**63).to_bytes(8, "big") + WITNESS.raw_signature(f"cosignature/v1\ntime {2**63}\n{text}".encode())
    with pytest.raises(InvalidSignatureError):
        verify(Note(text, (Signature(WITNESS.name, WITNESS.verifier.key_id, value),)), [WITNESS.verifier])
