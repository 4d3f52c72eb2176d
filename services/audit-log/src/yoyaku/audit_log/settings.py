"""Settings of the audit log, read once from the environment (prefix `AUDIT_LOG_`) and passed down."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from yoyaku.messaging.settings import NatsSettings
from yoyaku.observability.settings import ObservabilitySettings
from yoyaku.postgres.settings import PostgresSettings

_CONFIG = SettingsConfigDict(env_prefix="AUDIT_LOG_", env_nested_delimiter="__", frozen=True, extra="ignore")


class AuditLogSettings(BaseSettings):
    """What the service needs to run."""

    model_config = _CONFIG

    database: PostgresSettings = Field(description="The database `audit`, as its service role.")
    nats: NatsSettings = Field(description="The bus.")
    observability: ObservabilitySettings = Field(default_factory=ObservabilitySettings, description="Telemetry.")
    health_port: int = Field(default=8082, ge=0, le=65535, description="Port of /health on 127.0.0.1; 0 takes any.")
    lease_seconds: float = Field(
        default=5.0, gt=0, description="How long a leader that says nothing keeps the lead: seconds to take over."
    )
    partition_months_ahead: int = Field(default=3, ge=0, le=12, description="Months whose partitions are made ahead.")


class MigrationSettings(BaseSettings):
    """What the migrations need."""

    model_config = _CONFIG

    owner_database: PostgresSettings = Field(description="The database `audit`, as its owner role.")
