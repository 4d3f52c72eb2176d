"""A witness as C2SP describes it, in front of a log that grows, restarts, loses the witness, forks or goes back."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from yoyaku.audit_log.usecases.cosign import CosignCheckpoints, Outcome
from yoyaku.audit_log.usecases.witness_ports import Refusal, SignedCheckpoint, WitnessAnswer, WitnessAwayError
from yoyaku.testkit import rfc6962
from yoyaku.testkit.clock import SetClock
from yoyaku.tlog.checkpoint import Checkpoint
from yoyaku.tlog.cosignature import cosign
from yoyaku.tlog.keys import Algorithm, SigningKey, VerifierKey
from yoyaku.tlog.note import Signature
from yoyaku.tlog.witness import (
    SIZE_MEDIA_TYPE,
    RefusedError,
    Status,
    check_extends,
    encode_cosignatures,
    open_request,
)

pytestmark = pytest.mark.requirement("AU-02")

ORIGIN = "audit.yoyaku/test/1"
LOG = SigningKey(ORIGIN, b"\x01" * 32)
KEY = SigningKey("witness.yoyaku/test", b"\x02" * 32, Algorithm.COSIGNATURE_V1)
LEAVES = rfc6962.numbered_leaves(60)
FORK = [*LEAVES[:10], *(b"other" for _ in range(50))]


def signed(size: int, leaves: Sequence[bytes] = LEAVES) -> SignedCheckpoint:
    root = rfc6962.merkle_tree_hash(leaves[:size])
    note = Checkpoint(ORIGIN, size, root).sign([LOG]).encode().decode()
    return SignedCheckpoint(1, ORIGIN, size, root, note)


@dataclass
class ListedTrees:
    """The trees over a list of leaves."""

    leaves: Sequence[bytes] = tuple(LEAVES)

    async def root(self, epoch: int, size: int) -> bytes:
        return rfc6962.merkle_tree_hash(self.leaves[:size])

    async def inclusion_proof(self, epoch: int, index: int, size: int) -> list[bytes]:
        return rfc6962.audit_path(index, self.leaves[:size])

    async def consistency_proof(self, epoch: int, old_size: int, new_size: int) -> list[bytes]:
        return rfc6962.consistency_proof(old_size, self.leaves[:new_size]) if 0 < old_size < new_size else []


@dataclass
class FakeWitness:
    """A witness in memory; `away` or `answer` make it odd."""

    clock: SetClock
    latest: Checkpoint | None = None
    away: bool = False
    answer: WitnessAnswer | None = None
    asked: list[int] = field(default_factory=list)
    name: str = KEY.name
    keys: Sequence[VerifierKey] = (KEY.verifier,)

    async def add_checkpoint(self, body: bytes) -> WitnessAnswer:
        if self.away:
            raise WitnessAwayError("nobody answers")
        if self.answer is not None:
            return self.answer
        try:
            opened = open_request(body, {ORIGIN: [LOG.verifier]})
            self.asked.append(opened.checkpoint.size)
            check_extends(opened, self.latest)
        except RefusedError as refused:
            media = SIZE_MEDIA_TYPE if refused.status is Status.CONFLICT else "text/plain"
            return WitnessAnswer(refused.status, media, refused.body.encode())
        self.latest = opened.checkpoint
        line = cosign(opened.request.note.text, KEY, int(self.clock().timestamp()))
        return WitnessAnswer(200, "text/plain", encode_cosignatures([line]).encode())


@dataclass
class InMemoryCosignatures:
    """What is kept of checkpoints, without a database."""

    signed: SignedCheckpoint | None = None
    kept: list[SignedCheckpoint] = field(default_factory=list)
    lines: dict[int, datetime] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)

    async def newest(self) -> SignedCheckpoint | None:
        return self.signed

    async def last_cosigned_size(self, epoch: int, keys: Sequence[VerifierKey]) -> int:
        return max([size for size in self.lines if size in {one.size for one in self.kept}], default=0)

    async def kept_without(
        self, epoch: int, keys: Sequence[VerifierKey], from_size: int, limit: int
    ) -> Sequence[SignedCheckpoint]:
        return [one for one in self.kept if one.size >= from_size and one.size not in self.lines][:limit]

    async def add(
        self, checkpoint: SignedCheckpoint, lines: Sequence[Signature], at: datetime, *, sets_newest: bool
    ) -> None:
        assert sets_newest
        assert [line.name for line in lines] == [KEY.name]
        self.lines[checkpoint.size] = at

    async def refused(self, refusal: Refusal) -> bool:
        self.refusals.append(refusal)
        return True


@dataclass
class Around:
    """A log and its witness."""

    clock: SetClock = field(default_factory=lambda: SetClock(datetime(2026, 11, 24, 12, tzinfo=UTC)))
    trees: ListedTrees = field(default_factory=ListedTrees)
    records: InMemoryCosignatures = field(default_factory=InMemoryCosignatures)

    def __post_init__(self) -> None:
        self.witness = FakeWitness(self.clock)

    def term(self) -> CosignCheckpoints:
        return CosignCheckpoints(self.records, self.trees, self.witness, self.clock)


@pytest.fixture
def around() -> Around:
    return Around()


async def test_a_growing_log_is_cosigned_and_nothing_is_asked_twice(around: Around) -> None:
    term = around.term()
    assert await term() is Outcome.CURRENT
    for size in (3, 17, 18, 60):
        around.records.signed = signed(size)
        assert await term() is Outcome.COSIGNED
        assert await term() is Outcome.CURRENT
        assert around.records.lines[size] == term.cosigned_at == around.clock()
    assert around.witness.asked == [3, 17, 18, 60]


async def test_a_quiet_log_has_a_fresh_cosignature_every_minute(around: Around) -> None:
    term = around.term()
    around.records.signed = signed(5)
    assert await term() is Outcome.COSIGNED
    around.clock.advance(seconds=59)
    assert await term() is Outcome.CURRENT
    around.clock.advance(seconds=1)
    assert await term() is Outcome.COSIGNED
    assert around.records.lines[5] == around.clock()


async def test_every_kept_checkpoint_gets_its_line_after_the_witness_was_away(around: Around) -> None:
    around.records.kept = [signed(size) for size in (10, 20, 30)]
    around.records.signed = signed(34)
    around.witness.away = True
    term = around.term()
    assert await term() is Outcome.AWAY
    assert term.problem == "nobody answers"
    around.witness.away = False
    assert await term() is Outcome.COSIGNED
    assert list(around.records.lines) == [10, 20, 30, 34]


async def test_a_checkpoint_that_is_kept_after_it_was_cosigned_gets_its_line_too(around: Around) -> None:
    term = around.term()
    around.records.signed = signed(12)
    assert await term() is Outcome.COSIGNED
    around.records.lines.clear()
    around.records.kept = [signed(12)]
    assert await term() is Outcome.COSIGNED
    assert list(around.records.lines) == [12]


async def test_a_new_leader_goes_on_where_the_witness_is(around: Around) -> None:
    around.records.signed = signed(20)
    assert await around.term()() is Outcome.COSIGNED
    around.records.kept = [signed(15), signed(25)]
    around.records.signed = signed(40)
    assert await around.term()() is Outcome.COSIGNED
    assert sorted(around.records.lines) == [20, 25, 40]
    assert around.witness.asked == [20, 15, 25, 40]


async def test_an_answer_that_got_lost_is_asked_for_again(around: Around) -> None:
    term = around.term()
    around.records.signed = signed(20)
    assert await term() is Outcome.COSIGNED
    # The witness cosigned 30 and was killed before it answered.
    around.witness.latest = Checkpoint(ORIGIN, 30, rfc6962.merkle_tree_hash(LEAVES[:30]))
    around.records.signed = signed(30)
    assert await term() is Outcome.COSIGNED
    assert around.records.lines[30] == around.clock()


@pytest.mark.parametrize(("leaves", "size"), [(FORK, 30), (FORK, 12), (LEAVES, 11)])
async def test_a_log_that_forked_or_went_back_is_refused_and_told(
    around: Around, leaves: Sequence[bytes], size: int
) -> None:
    term = around.term()
    around.records.signed = signed(12)
    assert await term() is Outcome.COSIGNED
    around.clock.advance(minutes=2)
    around.trees.leaves = leaves
    around.records.signed = signed(size, leaves)
    assert await term() is Outcome.REFUSED
    (refusal,) = around.records.refusals
    assert (refusal.checkpoint.size, refusal.held_size, refusal.witness) == (size, 12, KEY.name)
    assert term.problem is not None
    assert list(around.records.lines) == [12]
    # It goes on once the log is what it was.
    around.trees.leaves = LEAVES
    around.records.signed = signed(40)
    assert await term() is Outcome.COSIGNED


def answer(status: int, body: bytes = b"", media: str = "text/plain") -> WitnessAnswer:
    return WitnessAnswer(status, media, body)


@pytest.mark.parametrize(
    ("given", "outcome"),
    [
        (answer(404, b"unknown origin\n"), Outcome.DENIED),
        (answer(403), Outcome.DENIED),
        (answer(400, b"\x00\xff"), Outcome.DENIED),
        (answer(409, b"no size"), Outcome.REFUSED),
        (answer(422), Outcome.REFUSED),
        (answer(500), Outcome.AWAY),
        (answer(301), Outcome.AWAY),
        (answer(200), Outcome.AWAY),
        (answer(200, b"thanks\n"), Outcome.AWAY),
        (answer(200, Signature("stranger", 1, b"x").line().encode()), Outcome.AWAY),
        (answer(200, Signature(KEY.name, KEY.verifier.key_id, b"\x00" * 72).line().encode()), Outcome.AWAY),
        (answer(409, b"-1\n", SIZE_MEDIA_TYPE), Outcome.AWAY),
        (answer(409, b"7", SIZE_MEDIA_TYPE), Outcome.AWAY),
        (answer(409, b"0\n", f"{SIZE_MEDIA_TYPE}; charset=utf-8"), Outcome.AWAY),
        (answer(409, b"900\n", SIZE_MEDIA_TYPE), Outcome.REFUSED),
    ],
)
async def test_whatever_a_witness_answers_is_an_outcome(around: Around, given: WitnessAnswer, outcome: Outcome) -> None:
    term = around.term()
    around.records.signed = signed(12)
    around.witness.answer = given
    assert await term() is outcome
    assert term.problem
    assert term.cosigned_at is None
    assert not around.records.lines
    assert bool(around.records.refusals) is (outcome is Outcome.REFUSED)


async def test_a_cosignature_of_the_far_future_is_still_one(around: Around) -> None:
    """Its time is the witness's word; what cannot be told as a moment is not used."""
    term = around.term()
    around.records.signed = signed(12)
    text = Checkpoint(ORIGIN, 12, signed(12).root).text()
    around.witness.answer = answer(200, encode_cosignatures([cosign(text, KEY, 2**62)]).encode())
    assert await term() is Outcome.AWAY
    later = around.clock() + timedelta(days=400)
    around.witness.answer = answer(200, encode_cosignatures([cosign(text, KEY, int(later.timestamp()))]).encode())
    assert await term() is Outcome.COSIGNED
    assert around.records.lines[12] == later.replace(microsecond=0)
    assert term.cosigned_at == around.clock()
