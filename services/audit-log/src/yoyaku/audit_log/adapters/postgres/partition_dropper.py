"""Drops sealed partitions, as the role that may call the two functions for it and nothing else."""

from typing import Final

from asyncpg.exceptions import ObjectNotInPrerequisiteStateError

from yoyaku.audit_log.domain.month import Month
from yoyaku.audit_log.domain.segment import Segment
from yoyaku.audit_log.usecases.sealing_ports import MonthNotSealedError
from yoyaku.postgres.pool import Pool
from yoyaku.postgres.transaction import transaction

_DROP: Final = "SELECT audit_drop_sealed_month($1)"
_EXPIRE: Final = "SELECT audit_expire_clients($1, $2)"


class PostgresPartitionDropper:
    """`pool` is the sealer's."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def drop(self, month: Month) -> bool:
        """Drop the partitions of a month; see `PartitionDropper`."""
        try:
            async with transaction(self._pool) as connection:
                return bool(await connection.fetchval(_DROP, month.first_day))
        except ObjectNotInPrerequisiteStateError as refusal:
            raise MonthNotSealedError(str(refusal)) from refusal

    async def expire_clients(self, segment: Segment) -> int:
        """Delete the keyed digests of client addresses of a deleted segment."""
        async with transaction(self._pool) as connection:
            return int(await connection.fetchval(_EXPIRE, segment.epoch, segment.month.first_day))
