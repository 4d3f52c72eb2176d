"""Puts together how data subjects are forgotten: asked of any replica, applied again by each leader."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from yoyaku.audit_log.adapters.object_store.archive import open_archive
from yoyaku.audit_log.adapters.object_store.tombstones import ArchivedTombstones, NoTombstones
from yoyaku.audit_log.adapters.postgres.forgetting import PostgresForgetReports, PostgresKeyDestroyer
from yoyaku.audit_log.entrypoints.forgetting import ForgettingAgain, OnForget
from yoyaku.audit_log.settings import AuditLogSettings
from yoyaku.audit_log.usecases.forget import Forget, ForgetAgain, Tombstones
from yoyaku.audit_log.wiring.personal import PersonalData
from yoyaku.audit_log.wiring.term import LeaderWork, Preparation, Term
from yoyaku.contracts.rpc import RPC_AUDIT_LOG_FORGET_V1, AuditLogForgetRequest
from yoyaku.messaging.broker import ServiceBroker
from yoyaku.messaging.outbox import Outbox
from yoyaku.messaging.rpc import serve
from yoyaku.postgres.pool import Pool, connected_pool

KEYS: Final = "audit-log-keys"
"""How the connection that deletes keys is named in the database."""


@dataclass(frozen=True, slots=True)
class Forgetting:
    """What a leader runs."""

    again: ForgettingAgain

    @property
    def preparations(self) -> Sequence[Preparation]:
        """Whom a restored database knows again is forgotten before anything is recorded."""
        return [self._first]

    @property
    def works(self) -> Sequence[LeaderWork]:
        """The same now and then."""
        return [self._go_on]

    async def _first(self, _: Term) -> None:
        await self.again.first()

    async def _go_on(self, _: Term, ended: asyncio.Event) -> None:
        await self.again.go_on(ended)


@asynccontextmanager
async def forgetting_of(
    settings: AuditLogSettings, personal: PersonalData, pool: Pool, outbox: Outbox, broker: ServiceBroker
) -> AsyncIterator[Forgetting]:
    """Answer `rpc.audit-log.forget.v1`; the connection of the key role is closed after the block."""
    tombstones: Tombstones = NoTombstones()
    if settings.object_store_url is not None:
        tombstones = ArchivedTombstones(open_archive(settings.object_store_url), settings.environment)
    few = settings.keys_database.model_copy(update={"pool_min": 0, "pool_max": 2})
    async with connected_pool(few, application_name=KEYS) as keys_pool:
        keys = PostgresKeyDestroyer(keys_pool)
        forget = Forget(tombstones, keys, PostgresForgetReports(pool, outbox))
        on_forget = OnForget(forget, personal.client_digest, personal.keys.forget)
        serve(broker, RPC_AUDIT_LOG_FORGET_V1, AuditLogForgetRequest, on_forget)
        yield Forgetting(ForgettingAgain(ForgetAgain(tombstones, keys)))
