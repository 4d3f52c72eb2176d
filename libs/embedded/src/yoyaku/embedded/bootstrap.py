"""Brings a started PostgreSQL and NATS to what the services expect: roles, databases, migrations, streams.

Run as `python -m yoyaku.embedded.bootstrap`, a process of its own, so that the supervisor stays small. Invariant: safe
to run at each start; what is there already is left alone; what cannot be done is said in words, after `error: `.
"""

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path

import nats

from yoyaku.embedded.postgres_server import SUPERUSER
from yoyaku.embedded.processes import DATABASES, DatabaseOfService
from yoyaku.embedded.secrets import SecretsFolder
from yoyaku.messaging.provision import ProvisionError, provision
from yoyaku.messaging.topology import PROVISIONER, inbox_prefix
from yoyaku.postgres.cluster import DatabaseSpec, bootstrap_cluster
from yoyaku.postgres.errors import MigrationError, PostgresError
from yoyaku.postgres.migrate import migrate
from yoyaku.postgres.settings import PostgresSettings

ERROR_PREFIX = "error: "


class PreparationError(Exception):
    """Something could not be brought to what the services expect; the text is for a person."""


async def bootstrap(secrets: SecretsFolder, postgres_host: str, postgres_port: int, nats_url: str) -> dict[str, object]:
    """Do all of it; the migrations that ran by database, and the seconds it took."""
    began = time.monotonic()
    admin = PostgresSettings(
        host=postgres_host,
        port=postgres_port,
        database="postgres",
        user=SUPERUSER,
        password_file=secrets.password_file(SUPERUSER),
    )
    provisioned = asyncio.create_task(_provision(secrets, nats_url))
    specs = [_spec(database) for database in DATABASES]
    roles = [role for spec in specs for role in spec.roles]
    await bootstrap_cluster(admin, specs, secrets.passwords(roles))
    applied = {database.name: await _migrate(database, admin, secrets) for database in DATABASES}
    await provisioned
    return {"migrations": applied, "seconds": round(time.monotonic() - began, 2)}


def _spec(database: DatabaseOfService) -> DatabaseSpec:
    return DatabaseSpec(
        database.name,
        database.owner_role,
        database.service_role,
        replication=database.replication,
        further_roles=database.further_roles,
    )


async def _migrate(database: DatabaseOfService, admin: PostgresSettings, secrets: SecretsFolder) -> list[str]:
    owner = admin.model_copy(
        update={
            "database": database.name,
            "user": database.owner_role,
            "password_file": secrets.password_file(database.owner_role),
        }
    )
    try:
        return await migrate(owner, database.package)
    except MigrationError as error:
        raise PreparationError(f"the migrations of {database.package}: {error}") from error


async def _provision(secrets: SecretsFolder, nats_url: str) -> None:
    client = await nats.connect(
        nats_url,
        nkeys_seed=str(secrets.nkey_seed_file(PROVISIONER)),
        inbox_prefix=inbox_prefix(PROVISIONER).encode(),
        name="yoyaku bootstrap",
    )
    try:
        await provision(client.jetstream())
    finally:
        await client.close()


def main() -> None:
    """Read where things are from the arguments, do the work, print what was done as one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--secrets", type=Path, required=True, help="folder of the generated secrets")
    parser.add_argument("--postgres-host", required=True)
    parser.add_argument("--postgres-port", type=int, required=True)
    parser.add_argument("--nats-url", required=True)
    given = parser.parse_args()
    work = bootstrap(SecretsFolder(given.secrets), given.postgres_host, given.postgres_port, given.nats_url)
    try:
        done = asyncio.run(work)
    except (PreparationError, PostgresError, ProvisionError) as error:
        sys.exit(f"{ERROR_PREFIX}{error}")
    sys.stdout.write(json.dumps(done) + "\n")


if __name__ == "__main__":
    main()
