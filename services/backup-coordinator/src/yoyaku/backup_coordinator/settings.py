"""Settings of the backup coordinator, read once from the environment (prefix `BACKUP_COORDINATOR_`)."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from yoyaku.messaging.settings import NatsSettings
from yoyaku.observability.settings import ObservabilitySettings
from yoyaku.postgres.settings import PostgresSettings

_CONFIG = SettingsConfigDict(env_prefix="BACKUP_COORDINATOR_", env_nested_delimiter="__", frozen=True, extra="ignore")


class ReplicationSettings(BaseModel):
    """The PostgreSQL server that is backed up, seen by a role that may replicate."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field(default="127.0.0.1", description="Address of the server.")
    port: int = Field(default=5432, ge=1, le=65535, description="Port of the server.")
    user: str = Field(default="backup_replication", description="A role with REPLICATION.")
    password_file: Path = Field(description="Its password; mode 0600.")


class BackupCoordinatorSettings(BaseSettings):
    """What the service needs to run."""

    model_config = _CONFIG

    database: PostgresSettings = Field(description="The database `backup`, as its service role.")
    replication: ReplicationSettings = Field(description="What is backed up.")
    nats: NatsSettings = Field(description="The bus.")
    observability: ObservabilitySettings = Field(default_factory=ObservabilitySettings, description="Telemetry.")
    health_port: int = Field(default=8084, ge=0, le=65535, description="Port of /health on 127.0.0.1; 0 takes any.")
    directory: Path = Field(description="Where backups lie, one folder a run; on one file system.")
    pg_bin_dir: Path = Field(description="PostgreSQL's programs, of the server's major version.")
    schedule: str = Field(default="0 2 * * *", description="Crontab line in UTC; default daily at 02:00.")
    lease_seconds: float = Field(
        default=5.0, gt=0, description="How long a leader that says nothing keeps the lead: seconds to take over."
    )
    run_timeout_seconds: float = Field(default=6 * 3600, gt=0, description="Limit of one base backup.")
    request_wait_seconds: float = Field(
        default=15.0, gt=0, description="How long a request waits for the leader to begin it."
    )


class MigrationSettings(BaseSettings):
    """What the migrations need."""

    model_config = _CONFIG

    owner_database: PostgresSettings = Field(description="The database `backup`, as its owner role.")
