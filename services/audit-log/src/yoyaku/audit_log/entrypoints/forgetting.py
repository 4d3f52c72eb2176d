"""Forgetting in the service: when an operator asks, and again when a restored database brought somebody back."""

import asyncio
from collections.abc import Callable
from typing import Final

from loguru import logger

from yoyaku.audit_log.domain.data_subject import UnknownSubjectError, key_reference_of
from yoyaku.audit_log.domain.personal import ClientDigest
from yoyaku.audit_log.entrypoints.rpc.refusals import UNAVAILABLE, refusals
from yoyaku.audit_log.usecases.forget import Forget, ForgetAgain, TombstonesAwayError
from yoyaku.contracts.rpc import AuditLogForgetReply, AuditLogForgetRequest
from yoyaku.messaging.condition import Condition
from yoyaku.messaging.rpc import INVALID_REQUEST, RpcFailedError
from yoyaku.messaging.waiting import set_within
from yoyaku.postgres.errors import PostgresError

AGAIN_EVERY_SECONDS: Final = 300.0


class OnForget:
    """Answers `rpc.audit-log.forget.v1`; the bus lets the operator of the machine ask it and nobody else."""

    def __init__(self, forget: Forget, client_digest: ClientDigest, drop: Callable[[str], None]) -> None:
        """`drop`: drops a key from this process's memory."""
        self._forget = forget
        self._client_digest = client_digest
        self._drop = drop

    async def __call__(self, request: AuditLogForgetRequest) -> AuditLogForgetReply:
        """Forget for ever."""
        try:
            reference = key_reference_of(request.key_reference, self._client_digest)
            with refusals():
                done = await self._forget(reference, request.requested_by)
        except UnknownSubjectError as unknown:
            raise RpcFailedError(INVALID_REQUEST, str(unknown)) from unknown
        except TombstonesAwayError as away:
            told = f"nobody was forgotten: the object store, which must know it first, does not answer ({away})"
            raise RpcFailedError(UNAVAILABLE, told) from away
        self._drop(reference)
        logger.bind(was_known=done.was_known).warning("a data subject was forgotten")
        return AuditLogForgetReply(key_reference=done.key_reference, was_known=done.was_known)


class ForgettingAgain:
    """Applies tombstones: first thing in a term, and now and then."""

    def __init__(self, forget_again: ForgetAgain) -> None:
        self._forget_again = forget_again

    async def first(self) -> None:
        """Apply them once; a store that is away is asked again by `go_on`. Raises the errors of yoyaku.postgres."""
        try:
            await self._apply()
        except TombstonesAwayError as away:
            logger.bind(cause=str(away)).error(
                "who was forgotten cannot be asked: after a restore they are known again"
            )

    async def go_on(self, ended: asyncio.Event) -> None:
        """Apply them until `ended`: what was being written while somebody was forgotten goes, too."""
        store = Condition(away="who was forgotten cannot be asked", back="who was forgotten can be asked again")
        while not ended.is_set():
            try:
                await self._apply()
            except (TombstonesAwayError, PostgresError) as away:
                await set_within(ended, store.is_away(str(away)))
            else:
                store.is_back()
                await set_within(ended, AGAIN_EVERY_SECONDS)

    async def _apply(self) -> None:
        count = await self._forget_again()
        if count:
            logger.bind(count=count).warning("data subjects that a restored database knew were forgotten again")
