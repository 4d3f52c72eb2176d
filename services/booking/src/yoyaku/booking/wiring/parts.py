"""What every part of the gateway is built from."""

from dataclasses import dataclass

from yoyaku.booking.settings import GatewaySettings
from yoyaku.booking.usecases.check_permission import CheckPermission
from yoyaku.booking.usecases.ports.chance import Clock, Digest, NewId
from yoyaku.booking.usecases.ports.reads import Reads
from yoyaku.booking.usecases.ports.transactions import Transactions
from yoyaku.messaging.broker import ServiceBroker
from yoyaku.postgres.pool import Pool


@dataclass(frozen=True, slots=True)
class Parts:
    """What was opened, and what is shared."""

    settings: GatewaySettings
    pool: Pool
    broker: ServiceBroker
    transactions: Transactions
    reads: Reads
    check: CheckPermission
    digest: Digest
    make_id: NewId
    now: Clock
