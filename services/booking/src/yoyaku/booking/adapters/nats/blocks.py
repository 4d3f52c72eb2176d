"""Blocks as the detector writes them into the bucket, followed by every gateway process and copied by the worker.

Invariant: a gateway never knows fewer blocks than the database copy at its start or the bucket once it was read; a
value that cannot be read is logged and refuses nobody.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from loguru import logger

from yoyaku.booking.adapters.postgres.blocks import PostgresBlocks
from yoyaku.booking.domain.blocklist import Block, Blocklist
from yoyaku.booking.usecases.ports.chance import Clock
from yoyaku.contracts.blocks import BlockKind, BlockValue, InvalidBlockError
from yoyaku.messaging.broker import ServiceBroker
from yoyaku.messaging.kv import KvWatch
from yoyaku.messaging.topology import BLOCKS
from yoyaku.postgres.errors import PostgresError

_RETRY_SECONDS: Final = 1.0


def read_block(key: str, data: bytes) -> BlockValue | None:
    """Read a value of the bucket; None for what is no block."""
    try:
        return BlockValue.from_bytes(data)
    except InvalidBlockError:
        logger.bind(key=key).error("unreadable block ignored")
        return None


class BlockWatch:
    """Keeps a gateway's blocklist as the bucket is."""

    def __init__(self, broker: ServiceBroker, blocklist: Blocklist) -> None:
        self._blocklist = blocklist
        self._told: set[str] = set()
        self._watch = KvWatch(broker, BLOCKS, self._put, self._delete)

    @property
    def is_loaded(self) -> bool:
        """Whether the bucket has been read."""
        return self._watch.is_loaded

    async def wait_until_loaded(self) -> None:
        """Return once the bucket has been read."""
        await self._watch.wait_until_loaded()

    async def run(self) -> None:
        """Follow the bucket until cancelled; the broker must be started. Raises what ended the following: a defect."""
        await self._watch.start()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._watch.follow())
                tasks.create_task(self._forget_lifted())
        finally:
            await self._watch.stop()

    async def _forget_lifted(self) -> None:
        """Drop what only the copy in the database knew: it was lifted while this process was not there."""
        await self._watch.wait_until_loaded()
        for key in self._blocklist.keys() - self._told:
            self._blocklist.drop(key)

    def load_copy(self, copied: list[tuple[str, BlockValue]]) -> None:
        """Take over what the database holds."""
        for key, value in copied:
            if value.kind == BlockKind.ADDRESS and key not in self._told:
                self._blocklist.put(Block(key, value.value, value.until))

    def _put(self, key: str, data: bytes) -> None:
        value = read_block(key, data)
        if value is not None and value.kind == BlockKind.ADDRESS:
            self._told.add(key)
            self._blocklist.put(Block(key, value.value, value.until))

    def _delete(self, key: str) -> None:
        self._told.discard(key)
        self._blocklist.drop(key)


class BlockCopier:
    """Copies the bucket into the database, change by change, so that a gateway can start without NATS."""

    def __init__(self, broker: ServiceBroker, blocks: PostgresBlocks, *, now: Clock) -> None:
        self._blocks = blocks
        self._now = now
        self._present: dict[str, BlockValue] = {}
        self._pending: dict[str, BlockValue | None] = {}
        self._changed = asyncio.Event()
        self._watch = KvWatch(broker, BLOCKS, self._put, self._delete)

    @property
    def is_loaded(self) -> bool:
        """Whether the bucket has been read."""
        return self._watch.is_loaded

    async def run(self) -> None:
        """Follow and copy until cancelled; a database that is away is waited out. The broker must be started.

        Raises what ended the following or the copying: a defect.
        """
        await self._watch.start()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._watch.follow())
                tasks.create_task(self._copy())
        finally:
            await self._watch.stop()

    async def _copy(self) -> None:
        await self._watch.wait_until_loaded()
        await self._persist(self._replace_all)
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self._persist(self._copy_changes)

    def _put(self, key: str, data: bytes) -> None:
        value = read_block(key, data)
        if value is not None:
            self._present[key] = value
            self._note(key, value)

    def _delete(self, key: str) -> None:
        self._present.pop(key, None)
        self._note(key, None)

    def _note(self, key: str, value: BlockValue | None) -> None:
        self._pending[key] = value
        self._changed.set()

    async def _replace_all(self) -> None:
        await self._blocks.drop_others(list(self._present))
        await self._copy_changes()

    async def _copy_changes(self) -> None:
        while self._pending:
            key, value = next(iter(self._pending.items()))
            if value is None:
                await self._blocks.drop(key)
            elif value.until > self._now():
                await self._blocks.put(key, value)
            if self._pending.get(key) is value:
                del self._pending[key]

    async def _persist(self, step: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                return await step()
            except PostgresError as error:
                logger.bind(cause=str(error)).warning("blocks could not be copied, to be tried again")
                await asyncio.sleep(_RETRY_SECONDS)
