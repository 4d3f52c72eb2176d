"""Which of several processes leads: an epoch row in the service's own database, held for a limited time.

Invariants: epochs only grow; nobody takes over while a transaction that was fenced with the current epoch is open, and
a transaction fenced with an older epoch cannot commit. All times compared are the database's; the process's own clock
(monotonic) only decides when to stop trying. Losing the lease never depends on hearing about it: the fence refuses.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from loguru import logger

from yoyaku.messaging.condition import Condition
from yoyaku.messaging.waiting import set_within
from yoyaku.postgres.errors import PostgresError
from yoyaku.postgres.pool import Connection, Pool
from yoyaku.postgres.transaction import transaction

DEFAULT_TTL_SECONDS: Final = 10.0
GRACE_SECONDS: Final = 10.0
_LONGEST_POLL_SECONDS: Final = 0.5

_PREPARE: Final = """
INSERT INTO leadership (name, epoch, holder, acquired_at, expires_at)
VALUES ($1, 0, '', '-infinity', '-infinity') ON CONFLICT DO NOTHING
"""
# Only an expired row is touched: one that is held is not even locked, so that candidates cost the leader nothing.
_TAKE: Final = """
UPDATE leadership
SET epoch = epoch + 1, holder = $2, acquired_at = clock_timestamp(),
    expires_at = clock_timestamp() + make_interval(secs => $3)
WHERE name = $1 AND expires_at <= clock_timestamp()
RETURNING epoch
"""
_REMAINING: Final = """
SELECT greatest(0, extract(epoch FROM expires_at - clock_timestamp()))::float8 FROM leadership
WHERE name = $1 AND isfinite(expires_at)
"""
_RENEW: Final = """
UPDATE leadership SET expires_at = clock_timestamp() + make_interval(secs => $4)
WHERE name = $1 AND epoch = $2 AND holder = $3
"""
_RELEASE: Final = """
UPDATE leadership SET expires_at = '-infinity' WHERE name = $1 AND epoch = $2 AND holder = $3
"""
_FENCE: Final = """
SELECT true FROM leadership WHERE name = $1 AND epoch = $2 AND holder = $3 FOR KEY SHARE
"""
_NOTHING_CHANGED: Final = "UPDATE 0"


class LeadershipLostError(Exception):
    """Somebody else leads, or may by now: the transaction this was raised in must not commit."""

    def __init__(self, name: str, epoch: int) -> None:
        super().__init__(f"leadership of {name} in epoch {epoch} is lost")
        self.name = name
        self.epoch = epoch


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to lead in one epoch; worth what `fence` says at the moment of writing."""

    name: str
    epoch: int
    holder: str

    async def fence(self, connection: Connection) -> None:
        """Tie the current transaction to this epoch: until it ends, nobody can take over.

        Call it once in each transaction that writes as the leader, the earlier the better. Raises
        LeadershipLostError when another epoch has begun. Renewals are not held up, however long the transaction.
        """
        if not await connection.fetchval(_FENCE, self.name, self.epoch, self.holder):
            raise LeadershipLostError(self.name, self.epoch)


class Leadership:
    """One candidate for one leadership. `holder` names the process in the table, for people: host and process id."""

    def __init__(self, pool: Pool, name: str, *, holder: str, ttl_seconds: float = DEFAULT_TTL_SECONDS) -> None:
        if ttl_seconds <= 0:
            raise ValueError("ttl_seconds must be positive")
        self._pool = pool
        self._name = name
        self._holder = holder
        self._ttl_seconds = ttl_seconds
        self._database = Condition(away="leadership waits for the database", back="leadership has the database back")
        self._lease: Lease | None = None

    @property
    def lease(self) -> Lease | None:
        """The lease this candidate holds as far as it knows, else None."""
        return self._lease

    async def lead(
        self, run: Callable[[Lease], Awaitable[None]], stop: asyncio.Event, *, grace_seconds: float = GRACE_SECONDS
    ) -> None:
        """Run `run` whenever this process leads, until `stop` is set or `run` returns by itself.

        When the lease is lost, or cannot be renewed in its time, `run` is cancelled and the candidacy goes on; so it
        does when `run` raises LeadershipLostError. On `stop`, `run` has `grace_seconds` to return before it is
        cancelled; then the lease is given up, so that a standby takes over at once. What `run` raises is raised.
        """
        while not stop.is_set():
            lease, confirmed_at = await self._acquire(stop)
            if lease is None:
                return
            logger.bind(leadership=self._name, epoch=lease.epoch, holder=self._holder).info("leadership taken")
            self._lease = lease
            try:
                finished = await self._serve(lease, confirmed_at, run, stop, grace_seconds)
            finally:
                self._lease = None
                await self._release(lease)
            if finished:
                return
            logger.bind(leadership=self._name, epoch=lease.epoch).warning("leadership lost")

    async def _acquire(self, stop: asyncio.Event) -> tuple[Lease | None, float]:
        """Wait until the leadership is free and take it; None when `stop` came first."""
        while not stop.is_set():
            started_at = time.monotonic()
            try:
                epoch, remaining = await self._take()
                self._database.is_back()
            except PostgresError as error:
                await set_within(stop, self._database.is_away(str(error)))
                continue
            if epoch is not None:
                return Lease(self._name, epoch, self._holder), started_at
            await set_within(stop, min(_LONGEST_POLL_SECONDS, self._ttl_seconds / 5, max(remaining, 0.01)))
        return None, 0.0

    async def _take(self) -> tuple[int | None, float]:
        async with transaction(self._pool) as connection:
            epoch: int | None = await connection.fetchval(_TAKE, self._name, self._holder, self._ttl_seconds)
            if epoch is not None:
                return epoch, 0.0
            remaining: float | None = await connection.fetchval(_REMAINING, self._name)
            if remaining is None:
                await connection.execute(_PREPARE, self._name)
        return None, remaining or 0.0

    async def _serve(
        self,
        lease: Lease,
        confirmed_at: float,
        run: Callable[[Lease], Awaitable[None]],
        stop: asyncio.Event,
        grace_seconds: float,
    ) -> bool:
        """Run beside the renewal; True when `run` ended by itself or on stop, False when the lease was lost."""
        work = asyncio.ensure_future(run(lease))
        renewal = asyncio.create_task(self._renew_until_lost(lease, confirmed_at))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({work, renewal, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done() and not renewal.done():
                await asyncio.wait({work, renewal}, timeout=grace_seconds, return_when=asyncio.FIRST_COMPLETED)
            lost = renewal.done() and not work.done()
            work.cancel()
            await asyncio.wait({work})
            return not lost and not _ended_by_loss(work)
        finally:
            for task in (work, renewal, stopping):
                task.cancel()
            await asyncio.gather(work, renewal, stopping, return_exceptions=True)

    async def _renew_until_lost(self, lease: Lease, confirmed_at: float) -> None:
        """Renew at a third of the time limit; return when the row names another, or the time ran out unrenewed."""
        while True:
            await asyncio.sleep(self._ttl_seconds / 3)
            while True:
                started_at = time.monotonic()
                left = confirmed_at + self._ttl_seconds - started_at
                if left <= 0:
                    return
                try:
                    async with asyncio.timeout(left):
                        if not await self._renew(lease):
                            return
                    self._database.is_back()
                    confirmed_at = started_at
                    break
                except TimeoutError:
                    return
                except PostgresError as error:
                    await asyncio.sleep(min(left, self._database.is_away(str(error)), self._ttl_seconds / 10))

    async def _renew(self, lease: Lease) -> bool:
        async with transaction(self._pool) as connection:
            done = await connection.execute(_RENEW, lease.name, lease.epoch, lease.holder, self._ttl_seconds)
        return str(done) != _NOTHING_CHANGED

    async def _release(self, lease: Lease) -> None:
        """Give the lease up; where the database is away it simply runs out."""
        try:
            async with asyncio.timeout(self._ttl_seconds), transaction(self._pool) as connection:
                await connection.execute(_RELEASE, lease.name, lease.epoch, lease.holder)
        except (PostgresError, TimeoutError) as error:
            logger.bind(leadership=self._name, cause=str(error)).warning("leadership could not be given up")


def _ended_by_loss(work: "asyncio.Future[None]") -> bool:
    """Say whether the ended work met its fence; any other error of its own is raised."""
    error = None if work.cancelled() else work.exception()
    if error is None:
        return False
    rest = error.split(LeadershipLostError)[1] if isinstance(error, BaseExceptionGroup) else error
    if rest is None or isinstance(rest, LeadershipLostError):
        return True
    raise error
