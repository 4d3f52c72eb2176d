import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yoyaku.tlog.errors import InvalidSignatureError, MalformedKeyError, MalformedNoteError, UnverifiedNoteError
from yoyaku.tlog.keys import Algorithm, SigningKey, VerifierKey, key_id
from yoyaku.tlog.note import MOST_SIGNATURES, Note, Signature, parse_note, parse_signatures, sign, verify

pytestmark = pytest.mark.requirement("AU-02")

GO_PRIVATE = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
GO_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
GO_NOTE = (
    f"{GO_TEXT}\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
"""The example of golang.org/x/mod/sumdb/note."""

C2SP_VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
C2SP_NOTE = (
    "This is an example message.\n\n"
    "— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)
"""The example of C2SP signed-note."""

LOG = SigningKey("example.com/log", b"\x01" * 32)
OTHER = SigningKey("example.com/log", b"\x02" * 32)


def test_the_note_of_the_go_package_is_made_to_the_byte() -> None:
    key = SigningKey.parse(GO_PRIVATE)
    assert key.vkey == GO_VKEY
    assert key.private_text == GO_PRIVATE
    note = sign(GO_TEXT, [key])
    assert note.encode() == GO_NOTE.encode()
    assert verify(parse_note(GO_NOTE), [VerifierKey.parse(GO_VKEY)]) == note.signatures


def test_the_note_of_the_c2sp_document_verifies() -> None:
    note = parse_note(C2SP_NOTE.encode())
    assert note.text == "This is an example message.\n"
    [signature] = verify(note, [VerifierKey.parse(C2SP_VKEY)])
    assert (signature.name, signature.key_id) == ("example.com/foo", 0x530D903A)
    assert note.encode() == C2SP_NOTE.encode()


def test_a_key_reads_back_what_it_writes_and_hides_its_secret() -> None:
    key = SigningKey.generate("audit.yoyaku/development/1")
    assert SigningKey.parse(key.private_text + "\n") == key
    assert VerifierKey.parse(f" {key.vkey}\n") == key.verifier
    assert key.seed.hex() not in repr(key)
    assert repr(key.seed) not in repr(key)
    again = key.named("audit.yoyaku/development/2")
    assert again.verifier.public_key == key.verifier.public_key
    assert again.verifier.key_id != key.verifier.key_id


@pytest.mark.parametrize(
    ("vkey", "says"),
    [
        ("", "not of the form"),
        ("no plus", "not of the form"),
        ("name+530d903a", "not of the form"),
        ("+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", "empty"),
        ("a b+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", "space"),
        ("example.com/foo+530D903A+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", "lowercase hex"),
        ("example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", "mistyped"),
        ("example.com/fop+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", "mistyped"),
        ("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2", "not base64"),
        ("example.com/foo+530d903a+", "kind is none"),
        ("example.com/foo+530d903a+AukyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", "kind is 0x02"),
        ("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv", "32 bytes, not 29"),
        ("x" * 5000, "longer than 4096"),
        ("n\ud800+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", "surrogate"),
    ],
)
def test_a_malformed_vkey_is_refused(vkey: str, says: str) -> None:
    with pytest.raises(MalformedKeyError, match=says):
        VerifierKey.parse(vkey)


@pytest.mark.parametrize(
    "text",
    ["", GO_VKEY, GO_PRIVATE[:-2], GO_PRIVATE.replace("c74f20a3", "c74f20a4"), GO_PRIVATE.replace("AYEK", "!!!!")],
)
def test_a_malformed_private_key_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(MalformedKeyError) as refused:
        SigningKey.parse(text)
    assert "VFGyNhPJEMzD1QIDr" not in str(refused.value)


GOOD_LINE = C2SP_NOTE.split("\n\n")[1]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ("", "empty line"),
        ("text\n", "empty line"),
        ("text\n\n", "no signature"),
        ("text\n\nno signature\n", "em dash"),
        ("text\n\n- example.com/foo AAAAAAA=\n", "em dash"),
        ("text\n\n— example.com/foo\n", "no signature after"),
        ("text\n\n—  AAAAAAA=\n", "empty"),
        ("text\n\n— a+b AAAAAAA=\n", "plus"),
        ("text\n\n— a\u00a0b AAAAAAA=\n", "space"),
        ("text\n\n— foo AAAAAAA=", "does not end in a newline"),
        ("text\n\n— foo AAAAAA==\n", "no key ID and signature"),
        ("text\n\n— foo \n", "no key ID and signature"),
        ("text\n\n— foo AAAAAAB=\n", "canonical"),
        ("text\n\n— foo AAAAA AA=\n", "not standard base64"),
        ("text\n\n— foo AAAA-_A=\n", "not standard base64"),
        ("text\n\n— foo ＡAAAAAA=\n", "not standard base64"),
        ("te\rxt\n\n" + GOOD_LINE, r"'\\r' at character 2"),
        ("te\x00xt\n\n" + GOOD_LINE, "control character"),
        ("te\txt\n\n" + GOOD_LINE, "control character"),
        (b"te\xffxt\n\n" + GOOD_LINE.encode(), "not UTF-8 at byte 2"),
        ("te\ud800xt\n\n" + GOOD_LINE, "surrogate"),
        (b"x" * 1_000_001, "longer than"),
        ("text\n\n" + "— foo AAAAAAA=\n" * (MOST_SIGNATURES + 1), "more than 100"),
    ],
)
def test_a_malformed_note_is_refused(data: bytes | str, says: str) -> None:
    with pytest.raises(MalformedNoteError, match=says):
        parse_note(data)


def test_many_signatures_are_taken_and_the_last_empty_line_divides() -> None:
    note = parse_note("one\n\ntwo\n\n" + "— foo AAAAAAA=\n" * MOST_SIGNATURES)
    assert note.text == "one\n\ntwo\n"
    assert len(note.signatures) == MOST_SIGNATURES
    assert parse_note(note.encode()) == note


@settings(max_examples=100, deadline=None)
@given(st.text(), st.binary(max_size=80), st.text(max_size=40))
def test_any_input_is_read_or_refused(text: str, data: bytes, tail: str) -> None:
    for piece in (data, text, f"{text}\n\n{tail}", f"text\n\n— {tail}\n", f"text\n\n— {tail} {GOOD_LINE}\n"):
        try:
            note = parse_note(piece)
        except MalformedNoteError:
            continue
        assert note.encode() == (piece if isinstance(piece, bytes) else piece.encode())


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters=[chr(c) for c in range(32)]), max_size=60))
def test_a_signed_text_verifies_and_no_other_text_does(line: str) -> None:
    note = sign(f"{line}\n", [LOG])
    assert parse_note(note.encode()) == note
    assert verify(note, [LOG.verifier]) == note.signatures
    with pytest.raises(InvalidSignatureError, match=r"example\.com/log"):
        verify(Note(f"{line}.\n", note.signatures), [LOG.verifier])


@pytest.mark.parametrize("text", ["", "no newline", "tab\t\n", "\x7f\ud800\n"])
def test_what_no_note_can_hold_is_not_signed(text: str) -> None:
    with pytest.raises(MalformedNoteError):
        sign(text, [LOG])


def test_unknown_signatures_are_ignored_and_known_ones_must_hold() -> None:
    note = sign("text\n", [LOG, OTHER])
    assert verify(note, [LOG.verifier]) == note.signatures[:1]
    assert verify(note, [OTHER.verifier, LOG.verifier]) == note.signatures
    with pytest.raises(UnverifiedNoteError, match="no signature of a known key"):
        verify(sign("text\n", [OTHER]), [LOG.verifier])
    with pytest.raises(UnverifiedNoteError, match="none given"):
        verify(note, [])
    same_id = Signature("elsewhere", LOG.verifier.key_id, b"nonsense")
    same_name = Signature(LOG.name, LOG.verifier.key_id ^ 1, b"nonsense")
    assert verify(note.signed_also([same_id, same_name]), [LOG.verifier]) == note.signatures[:1]


def test_one_wrong_signature_of_a_known_key_spoils_the_note() -> None:
    note = sign("text\n", [LOG])
    value = note.signatures[0].value
    for wrong in (value[:-1], value[:-1] + bytes([value[-1] ^ 1]), value + b"\x00", b"x"):
        spoiled = note.signed_also([Signature(LOG.name, LOG.verifier.key_id, wrong)])
        with pytest.raises(InvalidSignatureError):
            verify(spoiled, [LOG.verifier])


def test_a_signature_given_twice_counts_once() -> None:
    note = sign("text\n", [LOG])
    twice = Note(note.text, note.signatures * 2)
    assert verify(twice, [LOG.verifier, LOG.verifier]) == note.signatures
    assert note.signed_also(note.signatures) == note


def test_two_keys_of_one_name_and_key_id_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VerifierKey, "key_id", 7)
    with pytest.raises(MalformedKeyError, match="two keys have the name"):
        verify(sign("text\n", [LOG]), [LOG.verifier, OTHER.verifier])


def test_a_key_of_another_kind_signs_no_notes() -> None:
    cosigner = SigningKey("witness", b"\x03" * 32, Algorithm.COSIGNATURE_V1)
    with pytest.raises(MalformedKeyError, match="cosignatures"):
        sign("text\n", [cosigner])
    assert key_id("witness", Algorithm.ED25519, cosigner.verifier.public_key) != cosigner.verifier.key_id


def test_signature_lines_alone_are_read() -> None:
    assert parse_signatures(GOOD_LINE) == parse_note(C2SP_NOTE).signatures
    assert "".join(s.line() for s in parse_signatures(GOOD_LINE)) == GOOD_LINE
