"""The checkpoints that the database keeps, for verification: only those count whose signature is the log's."""

from collections.abc import Callable, Sequence
from typing import Final

from yoyaku.audit_log.domain.inspection import Finding, FindingKind
from yoyaku.audit_log.usecases.inspect_log import EpochRange, Vouched
from yoyaku.postgres.pool import Pool
from yoyaku.postgres.transaction import transaction
from yoyaku.tlog.checkpoint import open_checkpoint
from yoyaku.tlog.errors import TlogError
from yoyaku.tlog.keys import VerifierKey

WHERE: Final = "the log"

_CHECKPOINTS: Final = """
SELECT size, root, note FROM audit_checkpoint WHERE epoch = $1
UNION
SELECT size, root, note FROM audit_checkpoint_latest WHERE epoch = $1
ORDER BY size
"""


class KeptCheckpoints:
    """The log's own checkpoints. `log_keys` gives the log's public keys under the name of an origin."""

    def __init__(self, pool: Pool, log_keys: Callable[[str], Sequence[VerifierKey]]) -> None:
        self._pool = pool
        self._log_keys = log_keys

    async def all_of(self, epoch: EpochRange) -> Sequence[Vouched | Finding]:
        """Return them by size; a finding for one that is not the log's, or whose row differs from its note."""
        async with transaction(self._pool, read_only=True) as connection:
            rows = await connection.fetch(_CHECKPOINTS, epoch.epoch)
        keys = self._log_keys(epoch.origin)
        found: list[Vouched | Finding] = []
        for row in rows:
            try:
                checkpoint = open_checkpoint(row["note"], origin=epoch.origin, log_keys=keys).checkpoint
            except TlogError as wrong:
                found.append(
                    _finding(epoch, row["size"], f"the kept checkpoint of {row['size']} is not the log's: {wrong}")
                )
                continue
            if (checkpoint.size, checkpoint.root) != (row["size"], row["root"]):
                found.append(
                    _finding(epoch, row["size"], f"the row of the checkpoint of {row['size']} is not its note")
                )
            found.append(Vouched(epoch.epoch, checkpoint.size, checkpoint.root, WHERE))
        return found


def _finding(epoch: EpochRange, size: int, detail: str) -> Finding:
    return Finding(FindingKind.CHECKPOINT_FORKED, epoch.first_position + max(size - 1, 0), detail)
