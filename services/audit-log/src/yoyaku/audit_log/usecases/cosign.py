"""Have the log's checkpoints cosigned by one witness. Source: C2SP tlog-witness, "add-checkpoint"."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from yoyaku.audit_log.usecases.trees import Trees
from yoyaku.audit_log.usecases.witness_ports import (
    Cosignatures,
    Refusal,
    SignedCheckpoint,
    Witness,
    WitnessAnswer,
    WitnessAwayError,
)
from yoyaku.tlog.cosignature import cosigned_at
from yoyaku.tlog.errors import TlogError
from yoyaku.tlog.note import parse_note
from yoyaku.tlog.witness import SIZE_MEDIA_TYPE, AddCheckpoint, Status, parse_cosignatures, parse_size

KEPT_AT_ONCE: Final = 16
"""Kept checkpoints sent in one round before the newest: after an hour without the witness there are six."""
REFRESH_AFTER: Final = timedelta(seconds=60)
"""The newest checkpoint is sent again after this time, so that a quiet log has a fresh cosignature, too."""


class Outcome(StrEnum):
    """How a round ended."""

    COSIGNED = "cosigned"
    """The newest checkpoint has the witness's line."""
    CURRENT = "current"
    """It had it already, or nothing was signed yet."""
    AWAY = "away"
    """The witness did not answer, or what it answered is no answer."""
    DENIED = "denied"
    """The witness does not know this log or its keys: somebody has to configure it."""
    REFUSED = "refused"
    """The checkpoint contradicts what the witness cosigned."""


class _RefusedError(Exception):
    """The witness refuses; the text says why."""


class _DeniedError(Exception):
    """The witness does not know the log; the text says what it answered."""


class CosignCheckpoints:
    """One witness, and what this process knows of it. A term of a leader has its own."""

    def __init__(
        self,
        cosignatures: Cosignatures,
        trees: Trees,
        witness: Witness,
        now: Callable[[], datetime],
        *,
        sets_newest: bool = True,
    ) -> None:
        """`sets_newest`: what this witness cosigns becomes the newest cosigned checkpoint; true of one witness."""
        self._sets_newest = sets_newest
        self._cosignatures = cosignatures
        self._trees = trees
        self._witness = witness
        self._now = now
        self._epoch: int | None = None
        self._size = 0
        """What the witness cosigned last in this epoch, as far as is known."""
        self._cosigned_at: datetime | None = None
        self.problem: str | None = None
        """Why the last round did not end well, for people."""

    @property
    def name(self) -> str:
        """The name of the witness's keys."""
        return self._witness.name

    @property
    def cosigned_at(self) -> datetime | None:
        """When this process got its newest cosignature, by its own clock; None before the first."""
        return self._cosigned_at

    async def __call__(self) -> Outcome:
        """Send the newest checkpoint, and before it the kept ones that lack the witness's line.

        Raises LeadershipLostError, IncompleteTreeError, and the errors of yoyaku.postgres.
        """
        newest = await self._cosignatures.newest()
        if newest is None:
            return Outcome.CURRENT
        if newest.epoch != self._epoch:
            self._epoch = newest.epoch
            self._size = await self._cosignatures.last_cosigned_size(newest.epoch, self._witness.keys)
        self.problem = None
        try:
            return await self._round(newest)
        except WitnessAwayError as away:
            self.problem = str(away)
            return Outcome.AWAY
        except _DeniedError as denied:
            self.problem = str(denied)
            return Outcome.DENIED

    async def _round(self, newest: SignedCheckpoint) -> Outcome:
        wanting = await self._cosignatures.kept_without(newest.epoch, self._witness.keys, self._size, KEPT_AT_ONCE)
        for kept in wanting:
            if kept.size < newest.size and not await self._sent(kept):
                return Outcome.REFUSED
        is_wanting = any(kept.size == newest.size for kept in wanting)
        if newest.size == self._size and self._is_fresh() and not is_wanting:
            return Outcome.CURRENT
        return Outcome.COSIGNED if await self._sent(newest, is_newest=True) else Outcome.REFUSED

    def _is_fresh(self) -> bool:
        return self._cosigned_at is not None and self._now() - self._cosigned_at < REFRESH_AFTER

    async def _sent(self, checkpoint: SignedCheckpoint, *, is_newest: bool = False) -> bool:
        """Send one checkpoint, from the size that the witness has; False when it was refused for good.

        One that is not the newest is passed over when the witness is past it already.
        """
        try:
            for _ in range(2):
                if self._size > checkpoint.size:
                    break
                if await self._asked(checkpoint):
                    return True
            if is_newest and self._size > checkpoint.size:
                raise _RefusedError(f"it holds a tree of size {self._size}, the log's newest has {checkpoint.size}")
        except _RefusedError as refused:
            self.problem = f"{self._witness.name} refused the checkpoint of size {checkpoint.size}: {refused}"
            await self._cosignatures.refused(Refusal(checkpoint, self.name, self._size, str(refused)[:800]))
            return False
        if is_newest:
            raise WitnessAwayError("another process has checkpoints cosigned at the same time")
        return True

    async def _asked(self, checkpoint: SignedCheckpoint) -> bool:
        """Ask once; False when the proof has to begin elsewhere, which is noted."""
        proof = await self._trees.consistency_proof(checkpoint.epoch, self._size, checkpoint.size)
        request = AddCheckpoint(self._size, tuple(proof), parse_note(checkpoint.note))
        answer = await self._witness.add_checkpoint(request.encode())
        if answer.status == Status.OK:
            await self._keep(checkpoint, answer)
            return True
        if answer.status == Status.CONFLICT and answer.content_type.partition(";")[0].strip() == SIZE_MEDIA_TYPE:
            held = _held_size(answer)
            if held == self._size:
                raise WitnessAwayError(f"it asks for a proof from {held}, which it was sent")
            self._size = held
            return False
        said = f"{answer.status} {_excerpt(answer)}"
        if answer.status in {Status.CONFLICT, Status.UNPROCESSABLE}:
            raise _RefusedError(said)
        if answer.status in {Status.BAD_REQUEST, Status.FORBIDDEN, Status.NOT_FOUND}:
            raise _DeniedError(f"{self._witness.name} does not know this log: {said}")
        raise WitnessAwayError(said)

    async def _keep(self, checkpoint: SignedCheckpoint, answer: WitnessAnswer) -> None:
        try:
            text = parse_note(checkpoint.note).text
            lines = parse_cosignatures(answer.body, text, self._witness.keys)
            at = datetime.fromtimestamp(max(map(cosigned_at, lines)), UTC)
        except (TlogError, OverflowError, ValueError, OSError) as odd:
            raise WitnessAwayError(f"its cosignature cannot be used: {odd}") from None
        await self._cosignatures.add(checkpoint, lines, at, sets_newest=self._sets_newest)
        self._size = checkpoint.size
        self._cosigned_at = self._now()


def _held_size(answer: WitnessAnswer) -> int:
    try:
        return parse_size(answer.body)
    except TlogError as odd:
        raise WitnessAwayError(str(odd)) from None


def _excerpt(answer: WitnessAnswer) -> str:
    text = answer.body[:300].decode("utf-8", "replace")
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())
