"""The bucket `blocks`: a key for each block, which the server forgets when its time is over."""

import math
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from nats.errors import Error
from nats.js import JetStreamContext

from yoyaku.contracts.blocks import BlockKind, BlockValue, kv_key
from yoyaku.messaging.broker import BusError
from yoyaku.messaging.kv import kv_put_with_ttl, kv_read
from yoyaku.messaging.stored import StreamUnreadableError
from yoyaku.messaging.topology import BLOCKS
from yoyaku.observability.tracing import context_from
from yoyaku.security_detector import telemetry
from yoyaku.security_detector.domain.block import Block
from yoyaku.security_detector.usecases.ports import BucketAwayError

_AWAY = (Error, BusError, StreamUnreadableError, TimeoutError, OSError)


class BlockBucket:
    """Writes and reads the bucket; `js` is asked for at each use, since a broker may be restarted."""

    def __init__(self, js: Callable[[], JetStreamContext]) -> None:
        self._js = js

    async def put(self, block: Block, now: datetime) -> None:
        """Put a block there until its time is over; nothing happens when it is. Raises BucketAwayError."""
        remaining_seconds = block.remaining_seconds(now)
        if remaining_seconds <= 0:
            return
        with telemetry.TRACER.start_as_current_span(
            telemetry.PUSH_SPAN,
            context=context_from(block.traceparent),
            attributes={telemetry.BLOCK_ATTRIBUTE: block.block_id},
        ):
            try:
                ttl_seconds = math.ceil(remaining_seconds)
                await kv_put_with_ttl(self._js(), BLOCKS, _key(block), _value(block).to_bytes(), ttl_seconds)
            except _AWAY as error:
                raise BucketAwayError(f"{type(error).__name__}: {error}") from error

    async def missing(self, blocks: Iterable[Block]) -> Sequence[Block]:
        """Return those that are not in the bucket as they should be. Raises BucketAwayError."""
        try:
            held = await kv_read(self._js(), BLOCKS)
        except _AWAY as error:
            raise BucketAwayError(f"{type(error).__name__}: {error}") from error
        return [block for block in blocks if held.get(_key(block)) != _value(block).to_bytes()]


def _key(block: Block) -> str:
    return kv_key(block.kind, block.value)


def _value(block: Block) -> BlockValue:
    return BlockValue(
        kind=BlockKind(block.kind),
        value=block.value,
        until=block.until,
        reason=block.reason,
        rule=block.rule,
        incident_id=block.incident_id,
        block_id=block.block_id,
    )
