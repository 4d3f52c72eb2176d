"""Two fresh databases with their roles on the server of the testkit."""

import asyncpg
import pytest

from yoyaku.postgres import PostgresSettings
from yoyaku.postgres.cluster import DatabaseSpec, bootstrap_cluster
from yoyaku.testkit.servers import PostgresServer

SPECS = [
    DatabaseSpec("alpha", "alpha_owner", "alpha_service"),
    DatabaseSpec("beta", "beta_owner", "beta_service", replication=True),
]


class Cluster:
    """Databases alpha and beta; roles log in with passwords only this test knows."""

    def __init__(self, server: PostgresServer) -> None:
        self.server = server
        self.admin = server.admin_settings
        self.passwords = {role: f"{role}-password" for spec in SPECS for role in spec.roles}

    def of(self, role: str, **changes: object) -> PostgresSettings:
        values = {
            "host": self.admin.host,
            "port": self.admin.port,
            "database": role.partition("_")[0],
            "user": role,
            "password": self.passwords[role],
            "tls": "disable",
        }
        return PostgresSettings.model_validate({**values, **changes})

    async def connect(self, role: str, **changes: object) -> asyncpg.Connection:
        return await asyncpg.connect(**self.of(role, **changes).connect_arguments("tests"))


@pytest.fixture
async def cluster(postgres_server: PostgresServer) -> Cluster:
    cluster = Cluster(postgres_server)
    admin = await asyncpg.connect(**cluster.admin.connect_arguments("tests"))
    for spec in SPECS:
        await admin.execute(f"DROP DATABASE IF EXISTS {spec.name} WITH (FORCE)")
    await admin.close()
    await bootstrap_cluster(cluster.admin, SPECS, cluster.passwords)
    return cluster
