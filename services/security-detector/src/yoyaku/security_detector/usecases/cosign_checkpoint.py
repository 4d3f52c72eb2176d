"""Answer C2SP tlog-witness `add-checkpoint`: cosign what extends the newest cosigned checkpoint, refuse the rest."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from loguru import logger

from yoyaku.security_detector.domain.witness import DamagedMemoryError, ForkedError, TrustedLogs, Witnessed, extended
from yoyaku.security_detector.usecases.ports import WitnessRecords
from yoyaku.tlog.checkpoint import Checkpoint
from yoyaku.tlog.errors import MalformedError, TlogError
from yoyaku.tlog.keys import SigningKey
from yoyaku.tlog.note import verify
from yoyaku.tlog.witness import (
    SIZE_MEDIA_TYPE,
    AddCheckpoint,
    RefusedError,
    Status,
    encode_cosignatures,
    open_request,
)

TEXT: Final = "text/plain; charset=utf-8"


class Outcome(StrEnum):
    """What became of a request."""

    COSIGNED = "cosigned"
    """200."""
    MALFORMED = "malformed"
    """400."""
    FORBIDDEN = "forbidden"
    """403: no signature of the log."""
    UNKNOWN = "unknown"
    """404: no log of this environment."""
    OUTDATED = "outdated"
    """409: the proof begins at another size than the newest cosigned one; the answer tells it."""
    FORKED = "forked"
    """409: signed by the log, of the cosigned size, with another root."""
    INCONSISTENT = "inconsistent"
    """422: signed by the log, and not shown to extend what was cosigned."""

    @property
    def is_alarming(self) -> bool:
        """Whether the log's key signed what contradicts a cosigned checkpoint, or could not be shown not to."""
        return self in {Outcome.FORKED, Outcome.INCONSISTENT}


_OUTCOMES: Final = {
    Status.BAD_REQUEST: Outcome.MALFORMED,
    Status.FORBIDDEN: Outcome.FORBIDDEN,
    Status.NOT_FOUND: Outcome.UNKNOWN,
    Status.CONFLICT: Outcome.OUTDATED,
    Status.UNPROCESSABLE: Outcome.INCONSISTENT,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer in the terms of HTTP, and what it was for the witness itself."""

    status: Status
    content_type: str
    body: str
    outcome: Outcome
    origin: str | None = None
    """Of a request that could be read."""
    size: int | None = None


class CosignCheckpoint:
    """The witness. Any process may answer; the record of the origin is held from the check to the commit."""

    def __init__(self, records: WitnessRecords, logs: TrustedLogs, keys: Callable[[], Sequence[SigningKey]]) -> None:
        """`keys`: those that cosign, at least one; asked for each request, since they rotate."""
        self._records = records
        self._logs = logs
        self._keys = keys

    async def __call__(self, body: str, now: datetime) -> Answer:
        """Answer one request. What is answered with 200 is kept for good before. Raises DamagedMemoryError and
        the errors of yoyaku.postgres.

        A process that ends between keeping and answering does no harm: the same request is then answered with 409 and
        the size, and one from that size with 200 again.
        """
        checkpoint = _checkpoint_of(body)
        origin, size = (checkpoint.origin, checkpoint.size) if checkpoint else (None, None)
        try:
            witnessed = await self._cosigned(body, checkpoint, int(now.timestamp()))
        except RefusedError as refused:
            return _refusal(refused, origin, size)
        lines = encode_cosignatures(witnessed.cosignatures)
        return Answer(Status.OK, TEXT, lines, Outcome.COSIGNED, origin, size)

    async def _cosigned(self, body: str, checkpoint: Checkpoint | None, now: int) -> Witnessed:
        origin = checkpoint.origin if checkpoint else ""
        log_keys = self._logs.keys_of(origin)
        opened = open_request(body, {} if log_keys is None else {origin: log_keys})
        async with self._records.held(origin) as record:
            self._check(record.newest)
            witnessed = extended(opened, record.newest, log_keys=log_keys or (), keys=self._keys(), now=now)
            await record.keep(witnessed)
        return witnessed

    def _check(self, newest: Witnessed | None) -> None:
        """See that a note that the memory contradicts is the witness's own. Raises DamagedMemoryError."""
        if newest is None or not newest.is_contradicted:
            return
        told = logger.bind(origin=newest.checkpoint.origin, size=newest.checkpoint.size)
        told.error("the memory of the witness was changed: it goes on from its own note")
        try:
            verify(newest.note, [key.verifier for key in self._keys()])
        except TlogError as forged:
            raise DamagedMemoryError(f"the note of {newest.checkpoint.origin} is not the witness's: {forged}") from None


def _checkpoint_of(body: str) -> Checkpoint | None:
    """Read what the request is about, without trusting it; None when it cannot be read."""
    try:
        return Checkpoint.parse(AddCheckpoint.parse(body).note.text)
    except MalformedError:
        return None


def _refusal(refused: RefusedError, origin: str | None, size: int | None) -> Answer:
    if isinstance(refused, ForkedError):
        return Answer(refused.status, TEXT, f"{refused}\n", Outcome.FORKED, origin, size)
    if refused.status is Status.CONFLICT:
        return Answer(refused.status, SIZE_MEDIA_TYPE, refused.body, Outcome.OUTDATED, origin, size)
    return Answer(refused.status, TEXT, f"{refused}\n", _OUTCOMES[refused.status], origin, size)
