"""One request or message, one transaction: begun and committed here and nowhere else.

Invariant: what leaves the block by return is committed, what leaves it by exception is rolled back, and driver errors
leave it as errors of this package.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Final, cast

from opentelemetry import trace

from yoyaku.postgres.errors import mapped_errors
from yoyaku.postgres.pool import Connection, Pool

ACQUIRE_TIMEOUT_SECONDS: Final = 5.0
"""How long a transaction waits for a free connection before it says DatabaseUnavailableError."""

SPAN_NAME: Final = "postgresql transaction"

_before_commit: ContextVar[Callable[[], None] | None] = ContextVar("before_commit", default=None)

_TRACER = trace.get_tracer("yoyaku.postgres")


@asynccontextmanager
async def transaction(
    pool: Pool, *, read_only: bool = False, acquire_timeout_seconds: float = ACQUIRE_TIMEOUT_SECONDS
) -> AsyncIterator[Connection]:
    """Run the block in one READ COMMITTED transaction and map driver errors, those of begin and commit included.

    Opens one CLIENT span around the block when a sampled span is current, none for each statement (decision 0010).
    Raises the errors of `yoyaku.postgres.errors`; DatabaseUnavailableError also when no connection came free in time.
    """
    with mapped_errors():
        if not trace.get_current_span().is_recording():
            async with _begun(pool, read_only, acquire_timeout_seconds) as connection:
                yield connection
            return
        with _span("READ" if read_only else "WRITE"):
            async with _begun(pool, read_only, acquire_timeout_seconds) as connection:
                yield connection


@asynccontextmanager
async def single_statement(pool: Pool, *, read_only: bool = False) -> AsyncIterator[Connection]:
    """Yield a connection for one statement, which PostgreSQL makes a transaction of its own: one round trip in all.

    `read_only` says what the span is called and promises nothing. Otherwise as `transaction`. A second statement in
    the block would be a second transaction.
    """
    with mapped_errors():
        if not trace.get_current_span().is_recording():
            async with pool.acquire(timeout=ACQUIRE_TIMEOUT_SECONDS) as proxy:
                _about_to_commit(read_only)
                yield cast("Connection", proxy)
            return
        with _span("READ" if read_only else "WRITE"):
            async with pool.acquire(timeout=ACQUIRE_TIMEOUT_SECONDS) as proxy:
                _about_to_commit(read_only)
                yield cast("Connection", proxy)


def _span(operation: str) -> AbstractContextManager[trace.Span]:
    attributes = {"db.system.name": "postgresql", "db.operation.name": operation}
    return _TRACER.start_as_current_span(SPAN_NAME, kind=trace.SpanKind.CLIENT, attributes=attributes)


@asynccontextmanager
async def _begun(pool: Pool, read_only: bool, acquire_timeout_seconds: float) -> AsyncIterator[Connection]:  # noqa: FBT001
    async with pool.acquire(timeout=acquire_timeout_seconds) as proxy:
        connection = cast("Connection", proxy)
        async with connection.transaction(readonly=read_only):
            yield connection
            _about_to_commit(read_only)


def _about_to_commit(read_only: bool) -> None:  # noqa: FBT001
    call = _before_commit.get()
    if call is not None and not read_only:
        call()


@contextmanager
def before_each_commit(call: Callable[[], None]) -> Iterator[None]:
    """Call this when a transaction of the block that writes has done its work and is about to commit.

    For a single statement that is before it is sent. What it raises rolls the transaction back. It is the place to lift
    a deadline: a commit that was asked for and then cancelled may have happened.
    """
    token = _before_commit.set(call)
    try:
        yield
    finally:
        _before_commit.reset(token)
