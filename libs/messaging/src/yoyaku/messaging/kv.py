"""Key-value buckets: writing with a time to live, and following a bucket in memory through restarts of NATS.

A watch reads the bucket and listens to its changes, which the server sends again with their sequence; the higher
sequence of a key wins, so the order in which the two arrive does not matter. After a reconnection, a gap, and every
so often, the bucket is read again. Invariant: a change is applied at most once a sequence, and never an older one
over a newer. Keys whose time is over vanish on the server without a word: what a value holds must say until when it
counts (facts of JetStream's per-key TTL).
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from loguru import logger
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error
from nats.js import JetStreamContext

from yoyaku.messaging.broker import ServiceBroker, jetstream
from yoyaku.messaging.stored import StreamUnreadableError, read_stream
from yoyaku.messaging.topology import BucketSpec
from yoyaku.messaging.waiting import ended

RESYNC_SECONDS: Final = 30.0
"""How often a bucket is read again though nothing seems lost."""
RETRY_SECONDS: Final = 1.0
OPERATION: Final = "KV-Operation"
_REMOVALS: Final = frozenset({"DEL", "PURGE"})

OnPut = Callable[[str, bytes], None]
OnDelete = Callable[[str], None]


async def kv_put_with_ttl(js: JetStreamContext, bucket: BucketSpec, key: str, value: bytes, ttl_seconds: float) -> int:
    """Write a value that the server forgets after `ttl_seconds` (whole seconds, at least 1); returns its revision.

    Raises nats.errors.Error, or TimeoutError when the bus does not acknowledge.
    """
    ack = await js.publish(f"{bucket.key_prefix}{key}", value, stream=bucket.stream, msg_ttl=max(1, round(ttl_seconds)))
    return ack.seq


async def kv_delete(js: JetStreamContext, bucket: BucketSpec, key: str, *, marker_ttl_seconds: int = 3600) -> int:
    """Delete a key; the marker that tells watchers so is forgotten after `marker_ttl_seconds`."""
    ack = await js.publish(
        f"{bucket.key_prefix}{key}",
        b"",
        stream=bucket.stream,
        headers={OPERATION: "DEL"},
        msg_ttl=marker_ttl_seconds,
    )
    return ack.seq


async def kv_read(js: JetStreamContext, bucket: BucketSpec) -> dict[str, bytes]:
    """Read the whole bucket once."""
    entries: dict[str, bytes] = {}
    async for message in read_stream(js, bucket.stream):
        if message.headers.get(OPERATION) not in _REMOVALS:
            entries[message.subject.removeprefix(bucket.key_prefix)] = message.data
    return entries


@dataclass(frozen=True, slots=True)
class _Known:
    sequence: int
    present: bool


class KvWatch:
    """Follows one bucket and calls `on_put` and `on_delete`, which must return quickly; what they raise is logged.

    A put is told again after a resync only when its value is newer. A key that vanished from the bucket (deleted, or
    its time to live over) is told as a deletion, by the next resync at the latest.
    """

    def __init__(
        self,
        broker: ServiceBroker,
        bucket: BucketSpec,
        on_put: OnPut,
        on_delete: OnDelete,
        *,
        resync_seconds: float = RESYNC_SECONDS,
    ) -> None:
        self._broker = broker
        self._bucket = bucket
        self._on_put = on_put
        self._on_delete = on_delete
        self._resync_seconds = resync_seconds
        self._known: dict[str, _Known] = {}
        self._loaded = asyncio.Event()
        self._resync = asyncio.Event()
        self._subscription: Subscription | None = None
        self._task: asyncio.Task[None] | None = None
        self._synced_at: float | None = None

    @property
    def is_loaded(self) -> bool:
        """Whether the initial state has been told whole."""
        return self._loaded.is_set()

    @property
    def seconds_since_sync(self) -> float | None:
        """How long ago the bucket was last read whole; `None` before the first time."""
        return None if self._synced_at is None else time.monotonic() - self._synced_at

    async def wait_until_loaded(self) -> None:
        """Return once the initial state has been told whole."""
        await self._loaded.wait()

    async def start(self) -> None:
        """Begin to follow; the broker must be started. The initial state comes in the background."""
        if self._task is not None:
            return
        self._subscription = await self._broker.connection.subscribe(
            self._bucket.changes_subject, cb=self._on_change, pending_msgs_limit=0, pending_bytes_limit=0
        )
        self._forget_reconnect = self._broker.on_reconnect(self._resync.set)
        self._task = asyncio.create_task(self._keep_synced())

    async def follow(self) -> None:
        """Wait for as long as the bucket is followed. Raises what ended that: a defect, after which nothing is told."""
        if self._task is not None:
            await asyncio.shield(self._task)

    async def stop(self) -> None:
        """Stop following; what was told stays told."""
        task, self._task = self._task, None
        if task is None:
            return
        self._forget_reconnect()
        await ended(task)
        if self._subscription is not None:
            try:
                await self._subscription.unsubscribe()
            except Error as error:
                logger.bind(bucket=self._bucket.name, error=type(error).__name__).debug("bucket watch already closed")

    async def _keep_synced(self) -> None:
        while True:
            self._resync.clear()
            wait_seconds = self._resync_seconds if await self._sync() else RETRY_SECONDS
            try:
                async with asyncio.timeout(wait_seconds):
                    await self._resync.wait()
            except TimeoutError:
                continue

    async def _sync(self) -> bool:
        """Read the bucket whole and tell what is new or gone; `False` when it could not be read.

        For what was known before, the reading is the truth, even where its sequence is lower: a bucket that was made
        anew or restored counts from the start again. What was heard meanwhile is newer than the reading.
        """
        newest_before = max((known.sequence for known in self._known.values()), default=0)
        read: set[str] = set()
        try:
            async for message in read_stream(jetstream(self._broker), self._bucket.stream):
                key = message.subject.removeprefix(self._bucket.key_prefix)
                read.add(key)
                known = self._known.get(key)
                if known is None or known.sequence <= newest_before or message.sequence > known.sequence:
                    removed = message.headers.get(OPERATION) in _REMOVALS
                    self._apply(key, message.sequence, None if removed else message.data)
        except (Error, TimeoutError, StreamUnreadableError) as error:
            bound = logger.bind(bucket=self._bucket.name, error=type(error).__name__)
            bound.warning("bucket could not be read, to be tried again")
            return False
        for key in [k for k, known in self._known.items() if k not in read and known.sequence <= newest_before]:
            self._apply(key, 0, None)
            del self._known[key]
        self._synced_at = time.monotonic()
        if not self._loaded.is_set():
            logger.bind(bucket=self._bucket.name, keys=len(self._known)).info("bucket loaded")
            self._loaded.set()
        return True

    async def _on_change(self, message: Msg) -> None:
        headers = message.headers or {}
        key = message.subject.removeprefix(self._bucket.changes_prefix)
        sequence = int(headers.get("Nats-Sequence", "0"))
        known = self._known.get(key)
        if known is None or sequence > known.sequence:
            self._apply(key, sequence, None if headers.get(OPERATION) in _REMOVALS else message.data)

    def _apply(self, key: str, sequence: int, value: bytes | None) -> None:
        """Take over a state of a key, and tell it unless it is the one that was told."""
        known = self._known.get(key)
        if known is not None and known.sequence == sequence:
            return
        self._known[key] = _Known(sequence, value is not None)
        try:
            if value is not None:
                self._on_put(key, value)
            elif known is not None and known.present:
                self._on_delete(key)
        except Exception as error:  # noqa: BLE001  one bad value must not end the watch
            logger.opt(exception=error).bind(bucket=self._bucket.name, key=key).error("a bucket's change was not taken")
