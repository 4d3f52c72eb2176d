"""Whoever watches from outside believes what extends what was seen, and nothing else (AU-02)."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from pydantic import BaseModel

from yoyaku.audit_log.domain.watching import Believed, LogViolatedError, MalformedStateError, UnknownKeysError
from yoyaku.audit_log.entrypoints.watching import look
from yoyaku.contracts.rpc import (
    RPC_AUDIT_LOG_CHECKPOINT_V1,
    RPC_AUDIT_LOG_CONSISTENCY_V1,
    RPC_AUDIT_LOG_STATUS_V1,
    RPC_AUDIT_LOG_VERIFY_V1,
    RPC_SECURITY_DETECTOR_COSIGNED_V1,
)
from yoyaku.messaging.rpc import RpcFailedError, RpcUnavailableError
from yoyaku.testkit.rfc6962 import merkle_tree_hash
from yoyaku.tlog.checkpoint import Checkpoint
from yoyaku.tlog.cosignature import cosign
from yoyaku.tlog.keys import Algorithm, SigningKey
from yoyaku.tlog.merkle import leaf_hash
from yoyaku.tlog.tile_proofs import consistency_proof, tiles_for_consistency
from yoyaku.tlog.tile_tree import TileTree

pytestmark = pytest.mark.requirement("AU-02", "AU-05")

ORIGIN = "audit.yoyaku/test/1"
KEY = SigningKey(ORIGIN, bytes(32))
OTHER = SigningKey(ORIGIN, b"\x02" * 32)
WITNESS = SigningKey("witness.yoyaku/test", b"\x01" * 32, Algorithm.COSIGNATURE_V1)


@dataclass
class Log:
    """A log that can be made to lie."""

    leaves: list[bytes] = field(default_factory=list)
    keys: Sequence[SigningKey] = (KEY,)
    told_keys: Sequence[SigningKey] = (KEY,)
    origin: str = ORIGIN
    cosigned: str | None = None
    witness_is_away: bool = False
    witness_is_damaged: bool = False
    findings: tuple[dict[str, Any], ...] = ()

    def grow(self, count: int) -> None:
        self.leaves += [b"%d" % (len(self.leaves) + number) for number in range(count)]

    def checkpoint(self) -> Checkpoint:
        return Checkpoint(self.origin, len(self.leaves), merkle_tree_hash(self.leaves))

    def cosign(self) -> None:
        text = self.checkpoint().text()
        note = self.checkpoint().sign(self.keys)
        self.cosigned = note.encode().decode() + cosign(text, WITNESS, 1_800_000_000).line()

    async def ask(self, subject: str, question: Any, reply: type[Any], *, within_seconds: float = 1) -> Any:
        told: dict[str, Any]
        if subject == RPC_AUDIT_LOG_CHECKPOINT_V1:
            note = self.checkpoint().sign(self.keys).encode().decode()
            told = {"epoch": 1, "origin": self.origin, "size": len(self.leaves), "note": note}
        elif subject == RPC_AUDIT_LOG_STATUS_V1:
            told = {
                "next_position": len(self.leaves),
                "epoch": 1,
                "origin": self.origin,
                "verifier_keys": [key.vkey for key in self.told_keys],
                "witness_keys": [WITNESS.vkey],
                "checkpoint_size": len(self.leaves),
                "cosigned_size": None,
                "parts": {},
            }
        elif subject == RPC_AUDIT_LOG_CONSISTENCY_V1:
            told = {"epoch": 1, "proof": [base64.b64encode(one).decode() for one in self.proof(question)]}
        elif subject == RPC_AUDIT_LOG_VERIFY_V1:
            told = {
                "first_position": 0,
                "entry_count": len(self.leaves),
                "findings": self.findings,
                "duration_seconds": 0,
            }
        else:
            assert subject == RPC_SECURITY_DETECTOR_COSIGNED_V1
            if self.witness_is_away:
                raise RpcUnavailableError(subject, "away")
            if self.witness_is_damaged:
                raise RpcFailedError("damaged", "the note cannot be read")
            told = {"note": self.cosigned}
        answer: BaseModel = reply.model_validate(told)
        return answer

    def proof(self, question: Any) -> list[bytes]:
        tree = TileTree()
        hashes = [leaf_hash(leaf) for leaf in self.leaves[: question.new_size]]
        tree.append(hashes)
        wanted = tiles_for_consistency(question.old_size, question.new_size)
        tiles = {tile: b"".join(hashes[: tile.width]) for tile in wanted}
        return consistency_proof(question.old_size, question.new_size, tiles)


async def watched(log: Log, believed: Believed | None = None, **options: Any) -> Believed:
    return (await look(log, believed, [], [], **options)).believed


async def violation(log: Log, believed: Believed | None, **options: Any) -> str:
    with pytest.raises(LogViolatedError) as violated:
        await look(log, believed, [], [], **options)
    return violated.value.kind


async def test_a_log_that_grows_is_believed_and_kept() -> None:
    log = Log()
    believed = await watched(log)
    for count in (3, 0, 7):
        log.grow(count)
        log.cosign()
        sight = await look(log, Believed.from_json(believed.to_json()), [], [], verify=True)
        assert (sight.grown_by, sight.cosigned_size, sight.verified_entries) == (
            count,
            len(log.leaves),
            len(log.leaves),
        )
        believed = sight.believed
    log.witness_is_away = True
    assert (await look(log, believed, [], [])).cosigned_size is None


async def test_every_lie_is_named() -> None:
    log = Log()
    log.grow(5)
    believed = await watched(log)
    assert await violation(Log(log.leaves[:4]), believed) == "truncated"
    assert await violation(Log([*log.leaves[:4], b"forged"]), believed) == "forked"
    assert await violation(Log([b"forged", *log.leaves[1:], b"more"]), believed) == "forked"
    moved = SigningKey("audit.yoyaku/test/2", bytes(32))
    assert await violation(Log(log.leaves, [moved], [moved], "audit.yoyaku/test/2"), believed) == "new_tree"
    bad = {"kind": "entry_edited", "position": 3, "event_id": None, "detail": "edited"}
    assert await violation(Log(log.leaves, findings=(bad,)), believed, verify=True) == "damaged"


async def test_a_witness_whose_memory_was_changed_is_no_witness_that_is_away() -> None:
    log = Log()
    log.grow(3)
    log.cosign()
    believed = await watched(log)
    log.witness_is_damaged = True
    assert await violation(log, believed, verify=True) == "witness_damaged"


async def test_the_witness_tells_what_a_first_look_cannot() -> None:
    honest = Log()
    honest.grow(6)
    honest.cosign()
    assert await violation(Log(honest.leaves[:4], cosigned=honest.cosigned), None) == "truncated"
    assert await violation(Log([*honest.leaves[:5], b"x"], cosigned=honest.cosigned), None) == "forked"
    assert await violation(Log([b"x", *honest.leaves], cosigned=honest.cosigned), None) == "forked"
    unsigned = honest.checkpoint().sign([KEY]).encode().decode()
    assert await violation(Log(honest.leaves, cosigned=unsigned), None) == "signature"


async def test_keys_rotate_with_overlap_only() -> None:
    log = Log(told_keys=[KEY, OTHER])
    log.grow(2)
    believed = await watched(log, Believed(ORIGIN, (KEY.verifier,), ()))
    assert believed.log_keys == (KEY.verifier,)  # told, and did not sign
    log.keys = [KEY, OTHER]
    believed = await watched(log, believed)
    assert believed.log_keys == (KEY.verifier, OTHER.verifier)
    log.keys = [OTHER]
    assert (await watched(log, believed)).log_keys == (KEY.verifier, OTHER.verifier)


async def test_keys_that_nobody_knows_are_no_violation_and_can_be_given() -> None:
    log = Log()
    log.grow(2)
    believed = await watched(log)
    log.keys = log.told_keys = [OTHER]
    log.grow(1)
    with pytest.raises(UnknownKeysError, match="--key"):
        await watched(log, believed)
    sight = await look(log, believed, [OTHER.verifier.vkey], [])
    assert (sight.grown_by, sight.believed.log_keys) == (1, (KEY.verifier, OTHER.verifier))
    assert Believed.from_json(sight.believed.to_json()) == sight.believed
    forged = Log([b"forged", *log.leaves[1:], b"more"], keys=[OTHER], told_keys=[OTHER])
    with pytest.raises(LogViolatedError, match="forked"):
        await look(forged, believed, [OTHER.verifier.vkey], [])


@pytest.mark.parametrize("text", ["", "{}", "[]", "nonsense", '{"v": 2}'])
async def test_a_broken_state_is_refused(text: str) -> None:
    with pytest.raises(MalformedStateError):
        Believed.from_json(text)


async def test_a_state_that_somebody_edited_is_refused() -> None:
    log = Log()
    log.grow(2)
    text = (await watched(log)).to_json()
    with pytest.raises(MalformedStateError):
        Believed.from_json(text.replace("\\n2\\n", "\\n1\\n"))
