"""Signed notes: text and the signatures under it. Source: C2SP signed-note.

A note says nothing until `verify` found a signature of a known key: parsing alone trusts nobody. The text ends in a
newline; one empty line and the signature lines follow. Text and signatures are kept to the byte, also those of
strangers, so a note that was read is written again as it came.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

from yoyaku.tlog.errors import InvalidSignatureError, MalformedKeyError, MalformedNoteError, UnverifiedNoteError, shown
from yoyaku.tlog.keys import Algorithm, SigningKey, VerifierKey, check_name
from yoyaku.tlog.strict import from_base64, text_from, to_base64

MOST_SIGNATURES: Final = 100
"""More in one note are refused: at least 16 must be accepted, and each of a known key costs a verification."""

LARGEST_NOTE_BYTES: Final = 1_000_000

_DASH: Final = "\u2014 "
_KEY_ID_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line, by whomever."""

    name: str
    key_id: int
    value: bytes
    """What follows the key ID; never empty."""

    def line(self) -> str:
        """Write it as a line of a note, newline included."""
        return f"{_DASH}{self.name} {to_base64(self.key_id.to_bytes(_KEY_ID_BYTES, 'big') + self.value)}\n"

    @classmethod
    def parse(cls, line: str) -> Self:
        """Read a line without its newline. Raises MalformedNoteError."""
        if not line.startswith(_DASH):
            raise MalformedNoteError(f"a signature line does not begin with an em dash and a space: {shown(line)}")
        name, space, encoded = line.removeprefix(_DASH).partition(" ")
        if not space:
            raise MalformedNoteError(f"a signature line has no signature after the key's name: {shown(line)}")
        try:
            check_name(name)
        except MalformedKeyError as invalid:
            raise MalformedNoteError(f"signature line: {invalid}") from None
        data = from_base64(encoded, MalformedNoteError, f"signature of {shown(name)}")
        if len(data) <= _KEY_ID_BYTES:
            raise MalformedNoteError(f"signature of {shown(name)}: {len(data)} bytes are no key ID and signature")
        return cls(name, int.from_bytes(data[:_KEY_ID_BYTES], "big"), data[_KEY_ID_BYTES:])


@dataclass(frozen=True, slots=True)
class Note:
    """Text and its signatures, none of them verified by being here."""

    text: str
    """Ends in a newline; holds no control characters but newlines."""
    signatures: tuple[Signature, ...]

    def encode(self) -> bytes:
        """Write the note: UTF-8, as `parse_note` reads it."""
        return (self.text + "\n" + "".join(s.line() for s in self.signatures)).encode()

    def signed_also(self, signatures: Iterable[Signature]) -> "Note":
        """Give the note with these signatures added at the end, each once."""
        return Note(self.text, tuple(dict.fromkeys([*self.signatures, *signatures])))


def parse_note(data: bytes | str) -> Note:
    """Read a signed note of at most 1,000,000 bytes and 100 signatures. Verifies nothing. Raises MalformedNoteError."""
    whole = text_from(data, MalformedNoteError, "note", LARGEST_NOTE_BYTES)
    split = whole.rfind("\n\n")
    if split < 0:
        raise MalformedNoteError("a note has an empty line between its text and its signatures; here is none")
    return Note(whole[: split + 1], parse_signatures(whole[split + 2 :]))


def parse_signatures(lines: str) -> tuple[Signature, ...]:
    """Read 1 to 100 signature lines, each ended by a newline: of a note, or a witness's answer.

    Raises MalformedNoteError.
    """
    if not lines:
        raise MalformedNoteError("there is no signature")
    if not lines.endswith("\n"):
        raise MalformedNoteError("the last signature line does not end in a newline")
    if lines.count("\n") > MOST_SIGNATURES:
        raise MalformedNoteError(f"more than {MOST_SIGNATURES} signatures")
    return tuple(Signature.parse(line) for line in lines[:-1].split("\n"))


def sign(text: str, keys: Iterable[SigningKey]) -> Note:
    """Sign a text, which must end in a newline, with keys of kind ED25519; as many signatures as keys, in their order.

    Raises MalformedNoteError for a text that no note can hold, MalformedKeyError for a key of another kind.
    """
    check_text(text)
    signatures = []
    for key in keys:
        if key.algorithm is not Algorithm.ED25519:
            raise MalformedKeyError(f"the key {key.name} makes cosignatures; it signs no notes")
        signatures.append(Signature(key.name, key.verifier.key_id, key.raw_signature(text.encode())))
    return Note(text, tuple(signatures))


def check_text(text: str) -> None:
    """Refuse what cannot be the text of a note. Raises MalformedNoteError."""
    text_from(text, MalformedNoteError, "text of a note", LARGEST_NOTE_BYTES)
    if not text.endswith("\n"):
        raise MalformedNoteError("the text of a note does not end in a newline")


def verify(note: Note, keys: Iterable[VerifierKey]) -> tuple[Signature, ...]:
    """Verify the signatures of these keys, and give the first one of each key, in the note's order; never none.

    Signatures of other keys are ignored, also when only name or only key ID is that of a known key. Raises
    InvalidSignatureError when one signature of a known key is wrong, whatever else is right, UnverifiedNoteError when
    no known key signed, MalformedKeyError when two different keys have one name and key ID.
    """
    known: dict[tuple[str, int], VerifierKey] = {}
    for key in keys:
        if known.setdefault((key.name, key.key_id), key) != key:
            raise MalformedKeyError(f"two keys have the name {key.name} and the key ID {key.key_id:08x}")
    verified: dict[VerifierKey, Signature] = {}
    for signature in note.signatures:
        signer = known.get((signature.name, signature.key_id))
        if signer is None:
            continue
        if not signer.verifies(note.text, signature.value):
            raise InvalidSignatureError(f"the signature of {signer.name} (key ID {signer.key_id:08x}) does not verify")
        verified.setdefault(signer, signature)
    if not verified:
        names = ", ".join(f"{name} {number:08x}" for name, number in known) or "none given"
        raise UnverifiedNoteError(f"no signature of a known key (known: {names})")
    return tuple(verified.values())
