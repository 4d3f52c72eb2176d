"""A leader that freezes inside an append: what PostgreSQL has received by then must not keep the standby waiting.

The server cannot tell a frozen client from one whose line hands nothing on, so the latter is what is made here: a line
can fall silent at an exact byte.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from yoyaku.audit_log.adapters.personal_keys import SubjectKeys
from yoyaku.audit_log.adapters.postgres.log import PostgresLog
from yoyaku.audit_log.domain.fact import Fact
from yoyaku.audit_log.usecases.record_facts import RecordFacts
from yoyaku.audit_log.wiring.service import LEADERSHIP
from yoyaku.messaging.leadership import Leadership, Lease
from yoyaku.messaging.outbox import Outbox
from yoyaku.postgres.errors import PostgresError
from yoyaku.postgres.pool import Pool, connected_pool
from yoyaku.postgres.settings import PostgresSettings
from yoyaku.testkit.databases import Database

FEW_SECONDS = 15.0
BODY = bytes(100_000)
MANY_BYTES = 500_000
"""Only messages that carry bodies are larger."""


@dataclass
class SilentLine:
    """Hands on what clients say to PostgreSQL; falls silent for the first that says much, in or after that message."""

    inside_the_message: bool
    fell_silent: asyncio.Event = field(default_factory=asyncio.Event)

    async def hand_on(self, client: asyncio.StreamReader, server: asyncio.StreamWriter) -> None:
        protocol = b""
        while protocol != b"\x00\x03":  # a request for TLS comes before the first message of the session
            message = await _message(client, kind_bytes=0)
            server.write(message)
            protocol = message[4:6]
        while len(message) <= MANY_BYTES:
            message = await _message(client, kind_bytes=1)
            server.write(message[: len(message) // 2] if self._is_cut(message) else message)
            await server.drain()
        self.fell_silent.set()
        await asyncio.Event().wait()

    def _is_cut(self, message: bytes) -> bool:
        return self.inside_the_message and len(message) > MANY_BYTES


async def _message(client: asyncio.StreamReader, *, kind_bytes: int) -> bytes:
    head = await client.readexactly(kind_bytes + 4)
    return head + await client.readexactly(int.from_bytes(head[-4:]) - 4)


async def _hand_back(server: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
    while said := await server.read(65536):
        client.write(said)
    client.close()


@asynccontextmanager
async def listening(line: SilentLine, to: PostgresSettings) -> AsyncIterator[PostgresSettings]:
    """Yield the settings that reach the database over the line."""
    tasks: list[asyncio.Task[None]] = []
    writers: list[asyncio.StreamWriter] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, server = await asyncio.open_connection(to.host, to.port)
        writers.extend((server, writer))
        tasks.append(asyncio.create_task(line.hand_on(reader, server)))
        tasks.append(asyncio.create_task(_hand_back(answers, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield to.model_copy(update={"host": "127.0.0.1", "port": server.sockets[0].getsockname()[1]})
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        for writer in writers:
            writer.close()
        await asyncio.gather(*tasks, return_exceptions=True)


async def led_once(pool: Pool, holder: str) -> Lease:
    """Wait for the leadership, give it up at once, and return the lease: it fences for as long as nobody follows."""
    leases: list[Lease] = []

    async def take(lease: Lease) -> None:
        leases.append(lease)

    await Leadership(pool, LEADERSHIP, holder=holder).lead(take, asyncio.Event())
    return leases[0]


@pytest.mark.parametrize("inside_the_message", [True, False])
@pytest.mark.requirement("AU-01")
async def test_a_leader_that_freezes_inside_an_append_is_followed_within_seconds(
    pool: Pool,
    outbox: Outbox,
    fact: Callable[..., Fact],
    audit_database: Database,
    begun: Callable[..., Awaitable[RecordFacts]],
    subject_keys: SubjectKeys,
    inside_the_message: bool,
) -> None:
    line = SilentLine(inside_the_message)
    limits = {"idle_in_transaction_timeout_seconds": 1.0, "transaction_timeout_seconds": 2.0}
    limited = audit_database.service.model_copy(update=limits)
    async with listening(line, limited) as reached, connected_pool(reached, application_name="frozen") as frozen:
        old = await led_once(pool, "old")
        facts = [fact(number, body=BODY) for number in range(20)]
        appending = asyncio.create_task((await begun(PostgresLog(frozen, outbox, old, subject_keys)))(facts))
        silence = asyncio.create_task(line.fell_silent.wait())
        await asyncio.wait({appending, silence}, return_when=asyncio.FIRST_COMPLETED)
        assert silence.done(), appending
        async with asyncio.timeout(FEW_SECONDS):
            new = await led_once(pool, "new")
            recording = await (await begun(PostgresLog(pool, outbox, new, subject_keys)))([fact(1)])
        assert new.epoch == old.epoch + 1
        assert [placed.position for placed in recording.placed] == [0]
        with pytest.raises(PostgresError):
            await appending
