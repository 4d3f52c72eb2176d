"""A proof file proves its entry to anyone who has the key, and nothing else."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yoyaku.audit_log.verify.formats import COSIGNATURE, LOG_SIGNATURE, DamageError, InputError, Key
from yoyaku.audit_log.verify.proof import Proven, check
from yoyaku.testkit.audit_exports import History, Signer


@pytest.fixture(scope="module")
def prove() -> Callable[..., Proven]:
    log, witness = Signer("audit.yoyaku/test/1"), Signer("witness.yoyaku/test", kind=4)

    def run(data: bytes, *, key: str = log.vkey, witnessed: bool = True, body: bytes | None = None) -> Proven:
        witnesses = [Key.parse(witness.vkey, COSIGNATURE)] if witnessed else []
        return check(data, keys=[Key.parse(key, LOG_SIGNATURE)], witnesses=witnesses, body=body)

    return run


@pytest.mark.requirement("AU-02", "AU-03")
@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 100])
def test_every_entry_is_proven_in_every_tree(size: int, keys: Any, prove: Callable[..., Proven]) -> None:
    history = History()
    history.append(size)
    history.keep(keys.log, keys.witness)
    for index in range(size):
        proven = prove(history.proof_file(index, size))
        assert (proven.index, proven.leaf, proven.not_checked) == (index, history.leaves[index], ())


@pytest.mark.requirement("AU-03")
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_proof_that_was_changed_proves_nothing(
    data: st.DataObject, honest: Callable[..., History], prove: Callable[..., Proven]
) -> None:
    original = honest(7, 40, 13).proof_file(5, 7)
    at = data.draw(st.integers(0, len(original) - 1))
    kind = data.draw(st.sampled_from(["flip", "cut", "drop", "double"]))
    changed = {
        "flip": original[:at] + bytes([original[at] ^ 1 << data.draw(st.integers(0, 7))]) + original[at + 1 :],
        "cut": original[:at],
        "drop": original[:at] + original[at + 1 :],
        "double": original[:at] + original[at:] + original[at:],
    }[kind]
    with pytest.raises((DamageError, InputError)) as refused:
        prove(changed)
    assert "\n" not in str(refused.value)


def test_an_entry_without_the_witness_says_what_was_not_checked(
    honest: Callable[..., History], prove: Callable[..., Proven]
) -> None:
    data = honest(7, 40).proof_file(3, 47)
    with pytest.raises(DamageError, match="no witness that was given has cosigned"):
        prove(data)
    assert "cosignatures (no --witness)" in prove(data, witnessed=False).not_checked[0]


def test_a_body_beside_is_checked_when_it_is_given(keys: Any, prove: Callable[..., Proven]) -> None:
    history = History()
    history.append_large(b'{"body":{}}')
    history.append(1)
    history.keep(keys.log, keys.witness)
    data = history.proof_file(0, 2)
    assert "the body beside the entry (--body)" in prove(data).not_checked[0]
    assert prove(data, body=b'{"body":{}}').not_checked == ()
    with pytest.raises(DamageError, match="its SHA-256 is not the one in the entry"):
        prove(data, body=b'{"body":[]}')
    with pytest.raises(DamageError, match="0 bytes, where the entry says 11"):
        prove(data, body=b"")
    with pytest.raises(DamageError, match="the entry has no body beside it"):
        prove(history.proof_file(1, 2), body=b"")


def test_an_entry_that_was_moved_inside_the_log_is_not_proven(keys: Any, prove: Callable[..., Proven]) -> None:
    history = History()
    history.append(3)
    history.leaves[1], history.leaves[2] = history.leaves[2], history.leaves[1]
    history.keep(keys.log, keys.witness)
    with pytest.raises(DamageError, match="says that it is 2, but it stands at 1"):
        prove(history.proof_file(1, 3))


WRONG = {
    "does not begin with": lambda text: "c2sp.org/tlog-proof@v2" + text[22:],
    "holds no entry": lambda text: "\n".join(line for line in text.split("\n") if not line.startswith("extra")),
    "no `index` line": lambda text: text.replace("index 3", "index 03"),
    "not in a tree of 7": lambda text: text.replace("index 3", "index 7"),
    "does not lead to the root": lambda text: text.replace("index 3", "index 4"),
    "at most 63 hashes": lambda text: text.replace("index 3", "index 3" + 64 * f"\n{43 * 'A'}="),
    "too many hashes": lambda text: text.replace("index 3", "index 3" + 3 * f"\n{43 * 'A'}="),
    "too few hashes": lambda text: re.sub(r"(index 3\n)[^\n]+\n", r"\1", text),
    "is not base64": lambda text: text.replace("extra ", "extra *"),
    "not ASCII": lambda text: text.replace("extra ", "extra \u00fc"),
}


@pytest.mark.parametrize("words", WRONG)
def test_what_is_wrong_is_said(words: str, honest: Callable[..., History], prove: Callable[..., Proven]) -> None:
    text = honest(7).proof_file(3, 7).decode()
    with pytest.raises(DamageError, match=words):
        prove(WRONG[words](text).encode())


def test_a_proof_under_another_key_cannot_be_judged(
    honest: Callable[..., History], prove: Callable[..., Proven], keys: Any
) -> None:
    data = honest(7).proof_file(3, 7)
    with pytest.raises(InputError, match="no key of the log that was given has signed it"):
        prove(data, key=keys.next.vkey)
    with pytest.raises(InputError, match="no signature by a key that was given"):
        prove(data, key=keys.next.vkey, witnessed=False)
