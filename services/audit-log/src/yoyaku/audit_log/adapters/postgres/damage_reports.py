"""Tells of damage to the archive; any replica may, since a finding is true whoever leads."""

from hashlib import sha256
from typing import Final

from loguru import logger

from yoyaku.audit_log.usecases.archive_ports import ArchiveDamagedError
from yoyaku.audit_log.usecases.ports import ACTOR
from yoyaku.contracts.audit_v1 import IntegrityViolated
from yoyaku.messaging.outbox import Outbox
from yoyaku.postgres.pool import Pool

ARCHIVE: Final = "archive"
"""The source that a finding about the archive names."""


class PostgresDamageReports:
    """Each damaged object is told once for each state of it, by each process."""

    def __init__(self, pool: Pool, outbox: Outbox) -> None:
        self._pool = pool
        self._outbox = outbox
        self._told: set[tuple[str, bytes]] = set()

    async def report_damage(self, damage: ArchiveDamagedError) -> None:
        """Tell `audit.integrity.violated.v1`, kind `archive_damaged`. Raises the errors of yoyaku.postgres."""
        known = (damage.name, damage.found_sha256)
        logger.bind(object=damage.name, detail=damage.detail).error("an object of the audit archive is damaged")
        if known in self._told:
            return
        fact = IntegrityViolated(
            kind="archive_damaged",
            event_id=sha256(damage.name.encode()).hexdigest(),
            source=ARCHIVE,
            number=0,
            expected_sha256=damage.expected_sha256.hex(),
            found_sha256=damage.found_sha256.hex(),
            detail=str(damage)[:1000],
        )
        async with self._outbox.transaction(self._pool) as transaction:
            transaction.emit(fact, subject=f"{ARCHIVE}/{damage.name}"[:200], actor=ACTOR)
        self._told.add(known)
