"""What witness and archive know is compared with the log whenever it is verified."""

import pytest

from yoyaku.audit_log.domain.epochs import KnownCheckpoint
from yoyaku.audit_log.usecases.inspect_log import EpochRange, Vouched
from yoyaku.audit_log.usecases.known_elsewhere import KnownElsewhere
from yoyaku.audit_log.usecases.reconcile import SourceAwayError

ORIGIN = "audit.yoyaku/test/2"
EPOCH = EpochRange(2, ORIGIN, 10, 20, 10)


class Source:
    name = "the witness"
    is_awaited = True

    def __init__(self, known: KnownCheckpoint | None, *, is_away: bool = False) -> None:
        self._known, self._is_away = known, is_away

    async def newest(self, origin: str, size: int) -> KnownCheckpoint | None:
        assert (origin, size) == (ORIGIN, -1)
        if self._is_away:
            raise SourceAwayError("away")
        return self._known


@pytest.mark.requirement("AU-02")
async def test_the_newest_of_a_source_vouches_and_one_that_is_away_says_nothing() -> None:
    known = KnownCheckpoint(2, 7, bytes(32), "note", "the witness")
    assert await KnownElsewhere(Source(known)).all_of(EPOCH) == [Vouched(2, 7, bytes(32), "the witness")]
    assert await KnownElsewhere(Source(None)).all_of(EPOCH) == []
    assert await KnownElsewhere(Source(known, is_away=True)).all_of(EPOCH) == []
