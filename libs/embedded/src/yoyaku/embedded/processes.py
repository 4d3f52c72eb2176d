"""The system as data: its processes, what each depends on, the order of draining, and the environment each gets.

Invariant: a service is told paths of its own secrets only; no secret is in an environment or an argument.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from yoyaku.embedded.postgres_server import REPLICATION_ROLE
from yoyaku.embedded.secrets import SecretsFolder
from yoyaku.embedded.supervisor import ProcessSpec

POSTGRES = "postgres"
NATS = "nats"
TELEMETRY_STORE = "telemetry-store"
GATEWAY = "booking-gateway"
OTLP_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
INFRASTRUCTURE_STAGE = {NATS: 3, POSTGRES: 4, TELEMETRY_STORE: 5}
"""After the services (stages 0 to 2): the bus, the database, and last what takes the others' telemetry."""


@dataclass(frozen=True, slots=True)
class DatabaseOfService:
    """One service's database; the roles follow from its name."""

    name: str
    package: str
    replication: bool = False
    further_roles: tuple[str, ...] = ()

    @property
    def owner_role(self) -> str:
        """The role that runs migrations and owns the objects."""
        return f"{self.name}_owner"

    @property
    def service_role(self) -> str:
        """The role the service logs in as."""
        return f"{self.name}_service"


BOOKING_DATABASE = DatabaseOfService("booking", "yoyaku.booking")
AUDIT_SIGNING = "audit-signing"
WITNESS = "witness"
AUDIT_SEALER_ROLE = "audit_sealer"
AUDIT_KEYS_ROLE = "audit_keys"
AUDIT_DATABASE = DatabaseOfService("audit", "yoyaku.audit_log", further_roles=(AUDIT_SEALER_ROLE, AUDIT_KEYS_ROLE))
SECURITY_DATABASE = DatabaseOfService("security", "yoyaku.security_detector")
BACKUP_DATABASE = DatabaseOfService("backup", "yoyaku.backup_coordinator", replication=True)
DATABASES = (BOOKING_DATABASE, AUDIT_DATABASE, SECURITY_DATABASE, BACKUP_DATABASE)


@dataclass(frozen=True, slots=True)
class ServiceProcess:
    """One process of a service; `service` is its identity on the bus, `has_health_port` unless it serves HTTP."""

    name: str
    service: str
    arguments: tuple[str, ...]
    prefix: str
    database: DatabaseOfService
    drain_stage: int
    has_health_port: bool = True


SERVICE_PROCESSES = (
    ServiceProcess(GATEWAY, "booking", ("yoyaku.booking", "gateway"), "BOOKING_", BOOKING_DATABASE, 0, False),
    ServiceProcess("booking-worker", "booking", ("yoyaku.booking", "worker"), "BOOKING_", BOOKING_DATABASE, 1),
    ServiceProcess("audit-log", "audit-log", ("yoyaku.audit_log",), "AUDIT_LOG_", AUDIT_DATABASE, 2),
    ServiceProcess(
        "security-detector", "security-detector", ("yoyaku.security_detector",), "SECURITY_DETECTOR_",
        SECURITY_DATABASE, 2,
    ),
    ServiceProcess(
        "backup-coordinator", "backup-coordinator", ("yoyaku.backup_coordinator",), "BACKUP_COORDINATOR_",
        BACKUP_DATABASE, 2,
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the processes need to know of each other and of the machine."""

    data_dir: Path
    postgres_host: str
    postgres_port: int
    postgres_bin_dir: Path
    nats_url: str
    gateway_host: str
    gateway_port: int
    health_ports: Mapping[str, int]
    otlp_endpoint: str
    workers: int = 1
    write_log_files: bool = True
    inherited: Mapping[str, str] = field(default_factory=dict)
    overrides: Mapping[str, str] = field(default_factory=dict)

    def ready_url(self, process: ServiceProcess) -> str:
        """Return where a process says whether it is ready."""
        if process.has_health_port:
            return f"http://{self.gateway_host}:{self.health_ports[process.name]}/health/ready"
        return f"http://{self.gateway_host}:{self.gateway_port}/health/ready"


def specs_of_services(
    services: Sequence[ServiceProcess], around: Surroundings, secrets: SecretsFolder, depends_on: tuple[str, ...]
) -> list[ProcessSpec]:
    """Return the services as the supervisor takes them."""
    return [
        ProcessSpec(
            name=process.name,
            command=(sys.executable, "-m", *process.arguments),
            env=environment_of(process, around, secrets),
            depends_on=depends_on,
            ready_url=around.ready_url(process),
            drain_stage=process.drain_stage,
        )
        for process in services
    ]


def environment_of(process: ServiceProcess, around: Surroundings, secrets: SecretsFolder) -> dict[str, str]:
    """Return the whole environment of one service process: ours, the wiring, then what was overridden."""
    wired = {
        **_database(around, secrets, process.database.name, process.database.service_role),
        "NATS__URL": around.nats_url,
        "NATS__NKEY_SEED_FILE": str(secrets.nkey_seed_file(process.service)),
        **_observability(process, around),
        **_own_settings(process, around, secrets),
    }
    environment = {**around.inherited, **{f"{process.prefix}{name}": value for name, value in wired.items()}}
    environment[OTLP_ENDPOINT] = around.otlp_endpoint
    return {**environment, **around.overrides}


def _database(
    around: Surroundings, secrets: SecretsFolder, database: str, role: str, setting: str = "DATABASE"
) -> dict[str, str]:
    return {
        f"{setting}__HOST": around.postgres_host,
        f"{setting}__PORT": str(around.postgres_port),
        f"{setting}__DATABASE": database,
        f"{setting}__USER": role,
        f"{setting}__PASSWORD_FILE": str(secrets.password_file(role)),
    }


def _observability(process: ServiceProcess, around: Surroundings) -> dict[str, str]:
    settings = {"OBSERVABILITY__TRACE_SAMPLE_RATIO": "1.0"}
    # Several gateway workers would rotate one file under each other.
    one_writer = process.has_health_port or around.workers == 1
    if around.write_log_files and one_writer:
        settings["OBSERVABILITY__LOG_FILE"] = str(around.data_dir / "logs" / f"{process.name}.log")
    return settings


_LIMITS_OF_ONE_MACHINE: Final = {
    "RATE_LIMIT__ADDRESS_QUOTA": "20000",
    "RATE_LIMIT__ADDRESS_WINDOW_SECONDS": "10",
    "RATE_LIMIT__PERSON_QUOTA": "2000",
    "RATE_LIMIT__PERSON_WINDOW_SECONDS": "10",
    "RATE_LIMIT__SIGN_IN_ADDRESS_QUOTA": "1200",
}
"""Everybody comes from one address here, a load of a hundred people too; a flood is still refused."""


def _own_settings(process: ServiceProcess, around: Surroundings, secrets: SecretsFolder) -> dict[str, str]:
    if process.name == GATEWAY:
        return {
            "HTTP_HOST": around.gateway_host,
            "HTTP_PORT": str(around.gateway_port),
            "WORKERS": str(around.workers),
            "KEY_ENCRYPTION_KEY_FILE": str(secrets.key_encryption_key_file()),
            "DIGEST_KEY_FILE": str(secrets.digest_key_file()),
            **_LIMITS_OF_ONE_MACHINE,
        }
    own = {"HEALTH_PORT": str(around.health_ports[process.name])}
    if process.service == "booking":
        own["DIGEST_KEY_FILE"] = str(secrets.digest_key_file())
    if process.service == "audit-log":
        own |= {
            **_database(around, secrets, process.database.name, AUDIT_SEALER_ROLE, "SEALER_DATABASE"),
            **_database(around, secrets, process.database.name, AUDIT_KEYS_ROLE, "KEYS_DATABASE"),
            "SIGNING_KEYS_FILE": str(secrets.seeds_file(AUDIT_SIGNING)),
            "MASTER_KEY_FILE": str(secrets.audit_master_key_file()),
            "DIGEST_KEY_FILE": str(secrets.audit_digest_key_file()),
            "OBJECT_STORE_URL": (around.data_dir / "audit-archive").as_uri(),
            "WITNESS_PUBLIC_KEYS_FILE": str(secrets.public_keys_file(WITNESS)),
        }
    if process.service == "security-detector":
        own |= {
            "WITNESS_KEYS_FILE": str(secrets.seeds_file(WITNESS)),
            "WITNESS_LOG_PUBLIC_KEYS_FILE": str(secrets.public_keys_file(AUDIT_SIGNING)),
        }
    if process.service == "backup-coordinator":
        own |= {
            "DIRECTORY": str(around.data_dir / "backups"),
            "PG_BIN_DIR": str(around.postgres_bin_dir),
            "REPLICATION__HOST": around.postgres_host,
            "REPLICATION__PORT": str(around.postgres_port),
            "REPLICATION__USER": REPLICATION_ROLE,
            "REPLICATION__PASSWORD_FILE": str(secrets.password_file(REPLICATION_ROLE)),
        }
    return own
