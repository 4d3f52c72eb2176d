"""How far the streams are, and how far their events are recorded, by what the server says of our consumers."""

import asyncio
from collections.abc import Mapping
from typing import Final

from nats.errors import Error

from yoyaku.audit_log.domain.completeness import Handled
from yoyaku.audit_log.usecases.completeness_ports import BusAwayError
from yoyaku.messaging.broker import BusError, ServiceBroker, jetstream
from yoyaku.messaging.topology import SERVICES, ConsumerSpec

_CONSUMERS: Final = SERVICES["audit-log"].consumes


class StreamProgress:
    """Asks the server; an event is acknowledged after the commit that recorded it."""

    def __init__(self, broker: ServiceBroker) -> None:
        self._broker = broker

    async def progress(self) -> tuple[Mapping[str, int], Mapping[str, Handled]]:
        """Return the newest sequence of each stream, and how far its events are recorded. Raises BusAwayError."""
        try:
            found = await asyncio.gather(*(self._of(spec) for spec in _CONSUMERS))
        except (Error, BusError, TimeoutError, OSError) as error:
            raise BusAwayError(str(error) or type(error).__name__) from error
        heads = {spec.stream: head for spec, (head, _) in zip(_CONSUMERS, found, strict=True)}
        return heads, {spec.stream: handled for spec, (_, handled) in zip(_CONSUMERS, found, strict=True)}

    async def _of(self, spec: ConsumerSpec) -> tuple[int, Handled]:
        context = jetstream(self._broker)
        head = (await context.stream_info(spec.stream)).state.last_seq
        info = await context.consumer_info(spec.stream, spec.durable)
        floor = 0 if info.ack_floor is None else info.ack_floor.stream_seq
        return head, Handled(floor, is_drained=not info.num_pending and not info.num_ack_pending)
