"""The bus of a test: the real permissions and nkeys, and streams as empty as after provisioning.

Besides the identities of the system there is one more, `TESTER`, that may do everything: tests publish what no
service could, and read what no service may.
"""

from dataclasses import dataclass
from pathlib import Path

import nats
from nats.aio.client import Client
from nats.js import JetStreamContext

from yoyaku.embedded.secrets import SecretsFolder
from yoyaku.messaging.permissions import render_accounts
from yoyaku.messaging.provision import provision
from yoyaku.messaging.settings import NatsSettings
from yoyaku.messaging.topology import BUS_USERS, PROVISIONER, inbox_prefix
from yoyaku.testkit.servers import NatsServer

TESTER = "tester"
_USERS = "users: [\n"


@dataclass(frozen=True, slots=True)
class Bus:
    """One NATS server and the keys of everyone on it."""

    server: NatsServer
    secrets: SecretsFolder

    @property
    def url(self) -> str:
        """The address for clients."""
        return self.server.url

    def settings_for(self, user: str) -> NatsSettings:
        """Return how `user` (a service, `provisioner`, `operator` or `tester`) reaches the bus."""
        return NatsSettings(url=self.url, nkey_seed_file=self.seed_file(user))

    def seed_file(self, user: str) -> Path:
        """Return the file with the nkey seed of `user`."""
        return self.secrets.nkey_seed_file(user)

    async def connect(self, user: str = TESTER) -> Client:
        """Return a plain client signed in as `user`."""
        return await nats.connect(
            self.url,
            nkeys_seed=str(self.seed_file(user)),
            inbox_prefix=inbox_prefix(user).encode(),
            name=f"testkit {user}",
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.05,
        )

    async def reset(self) -> None:
        """Delete every stream, then provision: no message, consumer position or key of an earlier test is left."""
        if not self.server.is_ready():
            self.server.restart()
        client = await self.connect(PROVISIONER)
        try:
            context = client.jetstream()
            await delete_streams(context)
            await provision(context)
        finally:
            await client.close()


async def delete_streams(context: JetStreamContext) -> None:
    """Delete every stream there is, buckets included."""
    for stream in await context.streams_info():
        if stream.config.name:
            await context.delete_stream(stream.config.name)


def accounts_for_tests(secrets: SecretsFolder) -> str:
    """Render the system's accounts, with `TESTER` beside the real identities."""
    accounts = render_accounts(secrets.nkeys_public(BUS_USERS))
    if _USERS not in accounts:
        raise ValueError("the rendered accounts have no list of users to put the tester into")
    return accounts.replace(_USERS, f"{_USERS}      {{ nkey: {secrets.nkey_public(TESTER)} }}\n", 1)
