"""What the commands of the machine's operator need."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

from yoyaku.booking.adapters.argon2.passwords import Argon2Passwords
from yoyaku.booking.adapters.postgres.transactions import PostgresReads, PostgresTransactions
from yoyaku.booking.domain.denials import Denial
from yoyaku.booking.settings import PACKAGE, DatabaseSettings
from yoyaku.booking.usecases.check_permission import CheckPermission
from yoyaku.booking.usecases.create_person import CreatePerson
from yoyaku.booking.usecases.reset_password import ResetPassword
from yoyaku.booking.wiring.identity import new_secret
from yoyaku.booking.wiring.outbox import make_outbox
from yoyaku.booking.wiring.secrets import new_id, read_common_passwords
from yoyaku.lifecycle.process import utc_now
from yoyaku.postgres.migrations import check_head
from yoyaku.postgres.pool import Pool, connected_pool


@asynccontextmanager
async def person_maker(settings: DatabaseSettings) -> AsyncIterator[CreatePerson]:
    """Yield what the commands of the machine's operator need to make people; events wait for the worker."""
    async with _opened(settings) as (pool, passwords):
        transactions = _transactions(pool)
        check = CheckPermission(transactions)
        yield CreatePerson(transactions, passwords, check, read_common_passwords(), new_id, utc_now)


@asynccontextmanager
async def password_resetter(settings: DatabaseSettings) -> AsyncIterator[ResetPassword]:
    """Yield what replaces a password; the worker tells the gateways which tokens are refused from then on."""
    async with _opened(settings) as (pool, passwords):
        transactions = _transactions(pool)
        check = CheckPermission(transactions)
        common = read_common_passwords()
        reads = PostgresReads(pool)
        yield ResetPassword(reads, transactions, passwords, check, common, new_secret, _leave_to_the_worker, utc_now)


@asynccontextmanager
async def _opened(settings: DatabaseSettings) -> AsyncIterator[tuple[Pool, Argon2Passwords]]:
    async with (
        connected_pool(settings.database, application_name="booking-command") as pool,
        Argon2Passwords(threads=1, waiting_limit=0) as passwords,
    ):
        await check_head(pool, PACKAGE)
        yield pool, passwords


def _transactions(pool: Pool) -> PostgresTransactions:
    return PostgresTransactions(pool, make_outbox(), keep_answers_for=timedelta(hours=1))


async def _leave_to_the_worker(_: Sequence[Denial]) -> None:
    """Gateways read the table, and the worker puts into the bucket what it finds there."""
