"""A benchmark's servers: PostgreSQL with fsync, NATS with the real permissions, and something that takes telemetry."""

import asyncio
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files

import asyncpg

from yoyaku.embedded.nats_server import EmbeddedNats
from yoyaku.embedded.postgres_server import SUPERUSER, EmbeddedPostgres
from yoyaku.embedded.secrets import SecretsFolder
from yoyaku.observability.settings import ObservabilitySettings
from yoyaku.testkit.bus import Bus, accounts_for_tests
from yoyaku.testkit.databases import Database, DatabaseFactory
from yoyaku.testkit.servers import make_scratch_folder

PRODUCTION_SAMPLE_RATIO = 0.01
SERVICE = "booking"


class _Swallow(BaseHTTPRequestHandler):
    """Takes any OTLP request and forgets it."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


@dataclass(frozen=True, slots=True)
class Servers:
    """What a benchmark runs against."""

    databases: DatabaseFactory
    bus: Bus
    collector: str

    def telemetry(self, sample_ratio: float) -> ObservabilitySettings:
        """All metrics and logs, traces at a ratio."""
        return ObservabilitySettings(
            otlp_endpoint=self.collector, trace_sample_ratio=sample_ratio, log_level="WARNING", environment="bench"
        )

    async def database(self) -> Database:
        """A fresh database with the tables of messaging."""
        made = await self.databases.create()
        owner = await asyncpg.connect(**made.owner.connect_arguments("bench"))
        for name in ("outbox", "inbox", "leadership"):
            text = files("yoyaku.messaging").joinpath(f"sql/{name}.sql").read_text()
            await owner.execute(text.replace("{service_role}", made.service.user))
        await owner.close()
        return made


@contextmanager
def running_servers() -> Iterator[Servers]:
    """Start everything in a scratch folder and remove it at the end."""
    folder = make_scratch_folder()
    secrets = SecretsFolder(folder / "secrets")
    collector = ThreadingHTTPServer(("127.0.0.1", 0), _Swallow)
    threading.Thread(target=collector.serve_forever, daemon=True).start()
    postgres = EmbeddedPostgres.start(folder, superuser_password=secrets.password(SUPERUSER), fsync=True)
    nats = EmbeddedNats.start(folder, accounts_config=accounts_for_tests(secrets))
    try:
        bus = Bus(nats, secrets)
        asyncio.run(bus.reset())
        factory = DatabaseFactory(postgres.admin_settings, secrets.password("tests"))
        yield Servers(factory, bus, f"http://127.0.0.1:{collector.server_port}")
    finally:
        nats.destroy()
        postgres.destroy()
        collector.shutdown()
        shutil.rmtree(folder, ignore_errors=True)
