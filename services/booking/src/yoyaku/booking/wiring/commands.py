"""What the commands of the machine's operator need."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from yoyaku.booking.adapters.argon2.passwords import Argon2Passwords
from yoyaku.booking.adapters.postgres.transactions import PostgresTransactions
from yoyaku.booking.settings import PACKAGE, DatabaseSettings
from yoyaku.booking.usecases.check_permission import CheckPermission
from yoyaku.booking.usecases.create_person import CreatePerson
from yoyaku.booking.wiring.outbox import make_outbox
from yoyaku.booking.wiring.secrets import new_id, read_common_passwords
from yoyaku.lifecycle.process import utc_now
from yoyaku.postgres.migrations import check_head
from yoyaku.postgres.pool import connected_pool


@asynccontextmanager
async def person_maker(settings: DatabaseSettings) -> AsyncIterator[CreatePerson]:
    """Yield what the commands of the machine's operator need to make people; events wait for the worker."""
    async with (
        connected_pool(settings.database, application_name="booking-command") as pool,
        Argon2Passwords(threads=1, waiting_limit=0) as passwords,
    ):
        await check_head(pool, PACKAGE)
        transactions = PostgresTransactions(pool, make_outbox(), keep_answers_for=timedelta(hours=1))
        check = CheckPermission(transactions)
        yield CreatePerson(transactions, passwords, check, read_common_passwords(), new_id, utc_now)
