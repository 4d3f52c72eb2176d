"""Whatever is offered to the witness, and in whatever order: what it cosigned fits together."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from yoyaku.security_detector.domain.witness import (
    ForkedError,
    TrustedLogs,
    Witnessed,
    extended,
    witness_keys,
    witness_name,
)
from yoyaku.testkit import rfc6962
from yoyaku.tlog.checkpoint import Checkpoint
from yoyaku.tlog.cosignature import cosigned_at, verify_cosignature
from yoyaku.tlog.keys import SigningKey, VerifierKey
from yoyaku.tlog.note import Signature
from yoyaku.tlog.witness import AddCheckpoint, OpenedRequest, RefusedError, Status

pytestmark = pytest.mark.requirement("AU-02")

ORIGIN = "audit.yoyaku/test/1"
LOG = SigningKey(ORIGIN, b"\x01" * 32)
KEYS = witness_keys("test", [b"\x02" * 32, b"\x03" * 32])
NOW = 1_763_000_000
HONEST = rfc6962.numbered_leaves(20)
HISTORIES = [HONEST, *([*HONEST[:at], *(b"other %d" % at for _ in range(20 - at))] for at in (0, 3, 8, 13, 19))]
"""What the log tells the witness, and what it tells somebody else."""


def offer(leaves: Sequence[bytes], old: int, *, proof: Sequence[bytes] | None = None) -> OpenedRequest:
    """Ask to have the tree over these leaves cosigned, with the proof from one of its own older sizes."""
    made = rfc6962.consistency_proof(old, leaves) if 0 < old < len(leaves) else []
    checkpoint = Checkpoint(ORIGIN, len(leaves), rfc6962.merkle_tree_hash(leaves))
    request = AddCheckpoint(old, tuple(made if proof is None else proof), checkpoint.sign([LOG]))
    return OpenedRequest(request, checkpoint)


def ask(opened: OpenedRequest, newest: Witnessed | None, now: int = NOW) -> Witnessed:
    return extended(opened, newest, log_keys=[LOG.verifier], keys=KEYS, now=now)


@st.composite
def offers(draw: st.DrawFn) -> tuple[Sequence[bytes], int, bool]:
    """Draw a history, cut anywhere, from the size that the witness knows or any other."""
    leaves = draw(st.sampled_from(HISTORIES))[: draw(st.integers(0, 20))]
    return leaves, draw(st.integers(0, len(leaves))), draw(st.booleans())


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(offers(), max_size=8))
def test_of_two_cosigned_trees_one_always_begins_with_the_other(asked: list[tuple[Sequence[bytes], int, bool]]) -> None:
    cosigned: list[Sequence[bytes]] = []
    newest: Witnessed | None = None
    for leaves, any_old, honest_about_old in asked:
        known = newest.checkpoint.size if newest else 0
        old = known if honest_about_old and known <= len(leaves) else any_old
        fits = old == known and list(leaves[:known]) == list(cosigned[-1] if cosigned else [])
        try:
            newest = ask(offer(leaves, old), newest)
        except RefusedError as refused:
            assert not fits
            assert refused.status in {Status.CONFLICT, Status.UNPROCESSABLE}
        else:
            assert fits
            cosigned.append(leaves)
    for shorter, longer in pairwise(cosigned):
        assert list(longer[: len(shorter)]) == list(shorter)


def test_every_key_cosigns_and_strangers_lines_are_not_kept() -> None:
    opened = offer(HONEST, 0)
    forged = Signature(KEYS[0].name, KEYS[0].verifier.key_id, b"\x00" * 72)
    request = AddCheckpoint(0, (), opened.request.note.signed_also([forged, Signature("stranger", 1, b"x")]))
    witnessed = ask(OpenedRequest(request, opened.checkpoint), None)
    assert [one.name for one in witnessed.note.signatures] == [ORIGIN, "witness.yoyaku/test", "witness.yoyaku/test"]
    for vkey, line in zip(witnessed.vkeys, witnessed.cosignatures, strict=True):
        assert verify_cosignature(witnessed.note.text, line, VerifierKey.parse(vkey)) == NOW


def test_times_do_not_go_back_when_the_clock_does() -> None:
    first = ask(offer(HONEST[:5], 0), None)
    second = ask(offer(HONEST[:7], 5), first, now=NOW - 100)
    assert [cosigned_at(line) for line in second.cosignatures] == [NOW, NOW]
    assert ask(offer(HONEST[:7], 7), second, now=NOW + 5).time == NOW + 5


def test_another_tree_of_the_cosigned_size_is_a_fork_and_no_proof_is_asked_for() -> None:
    newest = ask(offer(HONEST[:9], 0), None)
    with pytest.raises(ForkedError) as forked:
        ask(offer(HISTORIES[3][:9], 9), newest)
    assert (forked.value.status, forked.value.body) == (Status.CONFLICT, "")
    empty = Checkpoint(ORIGIN, 0, b"\x00" * 32)
    with pytest.raises(ForkedError):
        ask(OpenedRequest(AddCheckpoint(0, (), empty.sign([LOG])), empty), None)


def test_only_logs_of_the_own_environment_are_known() -> None:
    logs = TrustedLogs("te-st", lambda: [LOG.verifier.public_key])
    keys = logs.keys_of("audit.yoyaku/te-st/12")
    assert keys is not None
    assert [(key.name, key.public_key) for key in keys] == [("audit.yoyaku/te-st/12", LOG.verifier.public_key)]
    for origin in (
        "audit.yoyaku/test/1",
        "audit.yoyaku/te-st/0",
        "audit.yoyaku/te-st/01",
        "audit.yoyaku/te-st/1\n",
        "",
    ):
        assert logs.keys_of(origin) is None
    assert witness_name("te-st") == "witness.yoyaku/te-st"
