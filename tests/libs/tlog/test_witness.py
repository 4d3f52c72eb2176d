import re
from base64 import b64encode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yoyaku.testkit import rfc6962
from yoyaku.tlog.checkpoint import Checkpoint
from yoyaku.tlog.cosignature import cosign, cosigned_at
from yoyaku.tlog.errors import InvalidSignatureError, MalformedRequestError, UnverifiedNoteError
from yoyaku.tlog.keys import Algorithm, SigningKey
from yoyaku.tlog.merkle import EMPTY_ROOT
from yoyaku.tlog.note import Signature
from yoyaku.tlog.witness import (
    AddCheckpoint,
    RefusedError,
    Status,
    check_extends,
    encode_cosignatures,
    encode_size,
    open_request,
    parse_cosignatures,
    parse_size,
)

pytestmark = pytest.mark.requirement("AU-02")

ORIGIN = "audit.yoyaku/test/1"
LOG = SigningKey(ORIGIN, b"\x01" * 32)
WITNESS = SigningKey("witness.yoyaku/test", b"\x02" * 32, Algorithm.COSIGNATURE_V1)
LOGS = {ORIGIN: [LOG.verifier]}
DATA = rfc6962.numbered_leaves(40)

C2SP = """old 20852014
PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=
5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=
/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=

example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa \
Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— example.com/behind-the-sofa \
opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=
"""
"""The example of C2SP tlog-witness."""


def checkpoint(size: int) -> Checkpoint:
    return Checkpoint(ORIGIN, size, rfc6962.merkle_tree_hash(DATA[:size]))


def request(old: int, new: int, proof: list[bytes] | None = None) -> AddCheckpoint:
    made = (rfc6962.consistency_proof(old, DATA[:new]) if 0 < old < new else []) if proof is None else proof
    return AddCheckpoint(old, tuple(made), checkpoint(new).sign([LOG]))


def refused(data: bytes | str, latest: Checkpoint | None = None) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        check_extends(open_request(data, LOGS), latest)
    return caught.value


def test_the_request_of_the_document_is_read_and_written_again() -> None:
    read = AddCheckpoint.parse(C2SP)
    assert (read.old_size, len(read.proof), len(read.note.signatures)) == (20852014, 4, 2)
    assert read.encode() == C2SP.encode()


def test_a_witness_follows_a_log_that_grows() -> None:
    latest = None
    for old, new in [(0, 0), (0, 1), (1, 1), (1, 7), (7, 8), (8, 40), (40, 40)]:
        opened = open_request(request(old, new).encode(), LOGS)
        check_extends(opened, latest)
        assert opened.checkpoint == checkpoint(new)
        latest = opened.checkpoint


def test_the_cosignature_reaches_the_log() -> None:
    text = checkpoint(8).text()
    body = encode_cosignatures([cosign(text, WITNESS, 1_763_000_000)])
    assert body.startswith("— witness.yoyaku/test ")
    stranger = Signature("elsewhere", 1, b"x").line()
    [signature] = parse_cosignatures((stranger + body).encode(), text, [WITNESS.verifier])
    assert cosigned_at(signature) == 1_763_000_000
    with pytest.raises(UnverifiedNoteError):
        parse_cosignatures(stranger, text, [WITNESS.verifier])
    with pytest.raises(InvalidSignatureError):
        parse_cosignatures(body, checkpoint(9).text(), [WITNESS.verifier])
    for nonsense in ("", "not found", body[:-1], body + "\n", b"\xff"):
        with pytest.raises(MalformedRequestError, match="witness"):
            parse_cosignatures(nonsense, text, [WITNESS.verifier])


def test_an_unknown_origin_is_404_and_an_unknown_key_403() -> None:
    elsewhere = Checkpoint("elsewhere", 0, EMPTY_ROOT).sign([SigningKey("elsewhere", b"\x05" * 32)])
    assert refused(AddCheckpoint(0, (), elsewhere).encode()).status == Status.NOT_FOUND
    unknown = checkpoint(3).sign([SigningKey(ORIGIN, b"\x05" * 32)])
    assert refused(AddCheckpoint(0, (), unknown).encode()).status == Status.FORBIDDEN
    wrong = checkpoint(3).sign([LOG])
    wrong = wrong.signed_also([Signature(ORIGIN, LOG.verifier.key_id, b"\x00" * 64)])
    assert refused(AddCheckpoint(0, (), wrong).encode()).status == Status.FORBIDDEN


def test_another_size_than_the_recorded_one_is_409_and_tells_it() -> None:
    for old, latest in [(0, 5), (3, 5), (6, 5), (3, None)]:
        refusal = refused(request(old, 8).encode(), None if latest is None else checkpoint(latest))
        assert refusal.status == Status.CONFLICT
        assert parse_size(refusal.body) == (latest or 0)
    assert refused(request(8, 5).encode()).status == Status.BAD_REQUEST


def test_a_log_that_does_not_extend_what_was_seen_is_422() -> None:
    fork = Checkpoint(ORIGIN, 5, rfc6962.merkle_tree_hash([b"other", *DATA[1:5]]))
    assert refused(request(5, 8).encode(), fork).status == Status.UNPROCESSABLE
    assert refused(request(5, 5).encode(), fork).status == Status.UNPROCESSABLE
    assert refused(request(5, 8, []).encode(), checkpoint(5)).status == Status.UNPROCESSABLE
    assert refused(request(5, 5, [EMPTY_ROOT]).encode(), checkpoint(5)).status == Status.UNPROCESSABLE
    assert refused(request(0, 8, [EMPTY_ROOT]).encode()).status == Status.UNPROCESSABLE
    no_root = AddCheckpoint(0, (), Checkpoint(ORIGIN, 0, b"\x00" * 32).sign([LOG]))
    assert refused(no_root.encode()).status == Status.UNPROCESSABLE


GOOD = request(0, 8).encode().decode().removeprefix("old 0\n\n")
HASH = b64encode(b"\x00" * 32).decode()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ("", "no empty line"),
        ("old 0\n", "no empty line"),
        (f"old 0\n{GOOD}", "hash of the proof"),
        (f"\n\n{GOOD}", "does not begin with 'old '"),
        (f"new 0\n\n{GOOD}", "does not begin with 'old '"),
        (f"old 00\n\n{GOOD}", "old size"),
        (f"old -1\n\n{GOOD}", "old size"),
        (f"old  1\n\n{GOOD}", "old size"),
        (f"old {2**63}\n\n{GOOD}", "larger than"),
        (f"old {'9' * 9999}\n\n{GOOD}", "old size"),
        (f"old 1\nAAAA\n\n{GOOD}", "hash of the proof .line 2.: a hash has 32 bytes"),
        (f"old 1\n{HASH} \n\n{GOOD}", "line 2"),
        (f"old 1\n{HASH}\n" + f"{HASH}\n" * 63 + f"\n{GOOD}", "more than 63"),
        (f"old 1\n{HASH}\n" * 3 + f"\n{GOOD}", "line 3"),
        (f"old 0\n\n\n{GOOD}", "tree size .line 2."),
        (f"old 0\n\n{GOOD[:-1]}", "checkpoint: .*newline"),
        ("old 0\n\nno note", "checkpoint: .*empty line"),
        (f"old 0\r\n\r\n{GOOD}", "control character"),
        (b"old 0\n\n\xff", "not UTF-8 at byte 7"),
        (b"x" * 2_000_000, "longer than"),
    ],
)
def test_a_malformed_request_is_400(data: bytes | str, says: str) -> None:
    refusal = refused(data)
    assert refusal.status == Status.BAD_REQUEST
    assert re.search(says, str(refusal))


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=40) | st.text("old 019+=\nA", max_size=60))
def test_any_request_is_read_or_refused(head: str) -> None:
    for data in (head, f"{head}\n\n{GOOD}", f"old {head}\n\n{GOOD}", f"old 3\n{head}\n\n{GOOD}"):
        try:
            read = AddCheckpoint.parse(data)
        except MalformedRequestError:
            continue
        assert read.encode() == data.encode()


@pytest.mark.parametrize("body", ["", "5", "05\n", "5\n\n", "-1\n", "five\n", "9" * 200, f"{2**63}\n", b"\xff\n"])
def test_an_answer_that_tells_no_size_is_refused(body: bytes | str) -> None:
    with pytest.raises(MalformedRequestError):
        parse_size(body)


def test_sizes_read_back() -> None:
    assert [parse_size(encode_size(n)) for n in (0, 1, 2**63 - 1)] == [0, 1, 2**63 - 1]


def test_the_longest_proof_fits() -> None:
    longest = request(0, 8, [EMPTY_ROOT] * 63)
    assert AddCheckpoint.parse(longest.encode()) == longest


def test_what_cannot_be_sent_is_not_made() -> None:
    note = checkpoint(8).sign([LOG])
    for old, proof in [(-1, ()), (2**63, ()), (1, (b"short",)), (1, (EMPTY_ROOT,) * 64)]:
        with pytest.raises(MalformedRequestError):
            AddCheckpoint(old, proof, note)
