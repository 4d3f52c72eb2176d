"""What others know of the log, for verification: the newest checkpoint that each of them keeps."""

from collections.abc import Sequence

from yoyaku.audit_log.domain.inspection import Finding
from yoyaku.audit_log.usecases.inspect_log import EpochRange, Vouched
from yoyaku.audit_log.usecases.reconcile import CheckpointSource, SourceAwayError


class KnownElsewhere:
    """One source outside of the database, as a keeper of checkpoints (`inspect_log.Checkpoints`)."""

    def __init__(self, source: CheckpointSource) -> None:
        self._source = source

    async def all_of(self, epoch: EpochRange) -> Sequence[Vouched | Finding]:
        """Return its newest checkpoint of an epoch; nothing while it is away."""
        try:
            known = await self._source.newest(epoch.origin, -1)
        except SourceAwayError:
            return []
        if known is None:
            return []
        return [Vouched(epoch.epoch, known.size, known.root, self._source.name)]
