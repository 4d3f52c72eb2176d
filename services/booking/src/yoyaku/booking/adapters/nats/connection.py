"""The broker as the waker sees it: usable before it has ever connected."""

from yoyaku.messaging.broker import ServiceBroker


class BusConnection:
    """Publishes when the bus is there."""

    def __init__(self, broker: ServiceBroker) -> None:
        self._broker = broker

    @property
    def is_connected(self) -> bool:
        """Whether a publish would leave now."""
        return self._broker.is_connected

    async def publish(self, subject: str, payload: bytes = b"") -> None:
        """Publish without an acknowledgement."""
        await self._broker.connection.publish(subject, payload)
