import asyncio
import signal

import asyncpg
import pytest

from yoyaku.messaging.leadership import Leadership, LeadershipLostError, Lease
from yoyaku.postgres.transaction import transaction

pytestmark = pytest.mark.requirement("BC-06", "AU-01")
TTL = 1.0


class Candidate:
    """A candidate that notes its leases and leads until told otherwise."""

    def __init__(self, pool, holder: str, *, ttl_seconds: float = TTL) -> None:
        self.leadership = Leadership(pool, "sealer", holder=holder, ttl_seconds=ttl_seconds)
        self.stop = asyncio.Event()
        self.leases: list[Lease] = []
        self.leading = asyncio.Event()
        self.ended = asyncio.Event()
        self.task = asyncio.create_task(self.leadership.lead(self._run, self.stop))

    async def _run(self, lease: Lease) -> None:
        self.leases.append(lease)
        self.leading.set()
        try:
            await self.stop.wait()
        finally:
            self.ended.set()

    async def end(self) -> None:
        self.stop.set()
        await self.task


async def within(seconds: float, event: asyncio.Event) -> None:
    async with asyncio.timeout(seconds):
        await event.wait()


async def row(state) -> asyncpg.Record:
    return await state.pool.fetchrow("SELECT * FROM leadership WHERE name = 'sealer'")


async def test_of_two_candidates_one_leads_and_the_other_follows_at_once(state) -> None:
    first = Candidate(state.pool, "a", ttl_seconds=30)
    await within(5, first.leading)
    second = Candidate(state.pool, "b", ttl_seconds=30)
    await asyncio.sleep(0.3)
    assert not second.leading.is_set()
    assert (first.leadership.lease, second.leadership.lease) == (first.leases[0], None)
    await first.end()
    # A clean stop gives the lease up: nobody waits for the 30 seconds to run out.
    await within(10, second.leading)
    assert [lease.epoch for lease in first.leases + second.leases] == [1, 2]
    await second.end()


async def test_a_leader_renews_for_as_long_as_it_leads(state) -> None:
    leader = Candidate(state.pool, "a")
    await within(5, leader.leading)
    standby = Candidate(state.pool, "b")
    await asyncio.sleep(2.5 * TTL)
    assert not standby.leading.is_set()
    assert (await row(state))["epoch"] == 1
    await leader.end()
    await standby.end()


@pytest.mark.parametrize("successor", ["b", "a"])
async def test_a_fenced_off_leader_cannot_commit(state, successor: str) -> None:
    """When a paused leader goes on, another leads, or a new process under the same name (a restarted container)."""
    await state.as_owner("CREATE TABLE entry (id int)", "GRANT INSERT, SELECT ON entry TO PUBLIC")
    old = Candidate(state.pool, "a")
    await within(5, old.leading)
    await expire_and_take(state, successor)
    with pytest.raises(LeadershipLostError):
        async with transaction(state.pool) as connection:
            await connection.execute("INSERT INTO entry VALUES (1)")
            await old.leases[0].fence(connection)
    assert await state.pool.fetchval("SELECT count(*) FROM entry") == 0
    await within(5 * TTL, old.ended)
    await old.end()


async def expire_and_take(state, holder: str) -> int:
    """Another process takes over, as if the leader's time had run out unrenewed."""
    return await state.pool.fetchval(
        """UPDATE leadership SET epoch = epoch + 1, holder = $1, expires_at = clock_timestamp() + interval '1 hour'
           RETURNING epoch""",
        holder,
    )


async def test_nobody_takes_over_while_a_fenced_transaction_is_open(state, eventually) -> None:
    old = Candidate(state.pool, "a")
    await within(5, old.leading)
    async with transaction(state.pool) as connection:
        await old.leases[0].fence(connection)
        taking = asyncio.create_task(expire_and_take(state, "b"))
        await eventually(lambda: someone_waits(state))
        assert not taking.done()
        # The renewal of the leader itself is not held up by its own transaction, nor by the queue behind it.
        assert (await row(state))["epoch"] == 1
    assert await taking == 2
    await within(5 * TTL, old.ended)
    await old.end()


async def someone_waits(state) -> bool:
    return await state.pool.fetchval("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock')")


async def test_a_long_transaction_does_not_keep_its_leader_from_renewing(state) -> None:
    leader = Candidate(state.pool, "a")
    await within(5, leader.leading)
    standby = Candidate(state.pool, "b")
    async with transaction(state.pool) as connection:
        await leader.leases[0].fence(connection)
        await asyncio.sleep(2.5 * TTL)
        await leader.leases[0].fence(connection)
    assert not leader.ended.is_set()
    assert not standby.leading.is_set()
    await leader.end()
    await standby.end()


async def test_losing_the_lease_cancels_the_work_and_the_candidacy_goes_on(state) -> None:
    candidate = Candidate(state.pool, "a")
    await within(5, candidate.leading)
    await expire_and_take(state, "b")
    await within(5 * TTL, candidate.ended)
    candidate.leading.clear()
    await state.pool.execute("UPDATE leadership SET expires_at = clock_timestamp()")
    await within(5, candidate.leading)
    assert [lease.epoch for lease in candidate.leases] == [1, 3]
    await candidate.end()


async def test_meeting_the_fence_ends_the_lease_and_not_the_candidacy(state) -> None:
    stop = asyncio.Event()
    epochs: list[int] = []

    async def run(lease: Lease) -> None:
        epochs.append(lease.epoch)
        if len(epochs) == 2:
            return
        async with asyncio.TaskGroup() as group:
            group.create_task(meet_the_fence(lease))

    async def meet_the_fence(lease: Lease) -> None:
        async with transaction(state.pool) as connection:
            await Lease(lease.name, lease.epoch - 1, lease.holder).fence(connection)

    async with asyncio.timeout(10):
        await Leadership(state.pool, "sealer", holder="a", ttl_seconds=TTL).lead(run, stop)
    assert epochs == [1, 2]


async def test_errors_of_the_work_are_raised_and_the_lease_given_up(state) -> None:
    async def run(lease: Lease) -> None:
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        await Leadership(state.pool, "sealer", holder="a", ttl_seconds=60).lead(run, asyncio.Event())
    successor = Candidate(state.pool, "b")
    await within(5, successor.leading)
    await successor.end()


async def test_work_that_ignores_the_stop_is_cancelled_after_its_grace(state) -> None:
    stop, cancelled = asyncio.Event(), asyncio.Event()

    async def run(lease: Lease) -> None:
        stop.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with asyncio.timeout(10):
        await Leadership(state.pool, "sealer", holder="a").lead(run, stop, grace_seconds=0.1)
    assert cancelled.is_set()


async def test_a_database_away_longer_than_the_lease_ends_the_work(state, postgres_server, lines) -> None:
    candidate = Candidate(state.pool, "a")
    await within(5, candidate.leading)
    await asyncio.to_thread(postgres_server.kill)
    await within(5 * TTL, candidate.ended)
    candidate.leading.clear()
    await asyncio.to_thread(postgres_server.restart)
    await within(20, candidate.leading)
    assert candidate.leases[-1].epoch == 2
    assert len([line for line in lines if "leadership waits for the database" in line]) <= 2
    await candidate.end()


async def test_kill_9_of_the_leader_is_followed_by_a_takeover(
    state, start_program, leader_program, program_arguments
) -> None:
    ttl_seconds = 2.0
    child = await start_program(leader_program, program_arguments(ttl_seconds=ttl_seconds))
    assert await child.line() == "leading 1"
    standby = Candidate(state.pool, "b", ttl_seconds=ttl_seconds)
    await child.kill()
    expires_at = (await row(state))["expires_at"]
    await within(30, standby.leading)
    acquired_at = (await row(state))["acquired_at"]
    assert standby.leases[0].epoch == 2
    assert acquired_at >= expires_at  # by the database's clock, and never before the time had run out
    await standby.end()


async def test_a_stopped_leader_is_replaced_and_notices_when_it_goes_on(
    state, start_program, leader_program, program_arguments, eventually
) -> None:
    child = await start_program(leader_program, program_arguments(ttl_seconds=TTL))
    assert await child.line() == "leading 1"
    child.signal(signal.SIGSTOP)
    standby = Candidate(state.pool, "b")
    await within(30, standby.leading)
    child.signal(signal.SIGCONT)
    await standby.end()
    assert await child.line() == "leading 3"


@pytest.mark.parametrize("ttl_seconds", [0, -1])
async def test_a_lease_needs_a_time(state, ttl_seconds: float) -> None:
    with pytest.raises(ValueError, match="ttl_seconds"):
        Leadership(state.pool, "sealer", holder="a", ttl_seconds=ttl_seconds)


async def test_waiting_candidates_do_not_wait_for_locks(state) -> None:
    """A standby never queues for the row of a leader in office, or it would stand in the way of its renewals."""
    leader = Candidate(state.pool, "a", ttl_seconds=30)
    await within(5, leader.leading)
    async with transaction(state.pool) as connection:
        await connection.execute("SELECT FROM leadership FOR UPDATE")
        standby = Candidate(state.pool, "b", ttl_seconds=30)
        for _ in range(20):
            assert not await someone_waits(state)
            await asyncio.sleep(0.02)
    await standby.end()
    await leader.end()


async def test_the_service_may_not_delete_the_history_of_epochs(state) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await state.pool.execute("DELETE FROM leadership")
