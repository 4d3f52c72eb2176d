"""Settings of the security detector, read once from the environment (prefix `SECURITY_DETECTOR_`) and passed down."""

from datetime import timedelta
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from yoyaku.messaging.settings import NatsSettings
from yoyaku.observability.settings import ObservabilitySettings
from yoyaku.postgres.settings import PostgresSettings
from yoyaku.security_detector.domain.rule import Rule

_CONFIG = SettingsConfigDict(env_prefix="SECURITY_DETECTOR_", env_nested_delimiter="__", frozen=True, extra="ignore")


class SecurityDetectorSettings(BaseSettings):
    """What the service needs to run."""

    model_config = _CONFIG

    database: PostgresSettings = Field(description="The database `security`, as its service role.")
    nats: NatsSettings = Field(description="The bus.")
    observability: ObservabilitySettings = Field(default_factory=ObservabilitySettings, description="Telemetry.")
    health_port: int = Field(default=8083, ge=0, le=65535, description="Port of /health on 127.0.0.1; 0 takes any.")
    lease_seconds: float = Field(
        default=5.0, gt=0, description="How long a leader that says nothing keeps the lead: seconds to take over."
    )
    threshold: int = Field(default=5, ge=1, description="Failed sign-ins from one address that make an incident.")
    window_seconds: float = Field(default=60.0, gt=0, description="Event time within which they have to fall.")
    block_seconds: float = Field(default=300.0, gt=0, description="How long the address is then refused.")
    environment: str = Field(
        default="development",
        pattern=r"^[a-z0-9][a-z0-9-]{0,62}$",
        description="Part of the names of the log that is witnessed and of the witness's keys.",
    )
    witness_keys_file: Path | None = Field(
        default=None,
        description="Ed25519 seeds of the witness, one a line, hexadecimal; all of them cosign; none: no witness.",
    )
    witness_log_public_keys_file: Path | None = Field(
        default=None,
        description="Public keys of the audit log, one a line, hexadecimal; any one of them is enough.",
    )

    @model_validator(mode="after")
    def _witness_knows_its_log(self) -> Self:
        if (self.witness_keys_file is None) != (self.witness_log_public_keys_file is None):
            raise ValueError("witness_keys_file and witness_log_public_keys_file are given together or not at all")
        return self

    def rule(self) -> Rule:
        """Give the rule as configured."""
        return Rule(
            threshold=self.threshold,
            window=timedelta(seconds=self.window_seconds),
            block_for=timedelta(seconds=self.block_seconds),
        )


class ReadingSettings(BaseSettings):
    """What it takes to look at the blocks."""

    model_config = _CONFIG

    database: PostgresSettings = Field(description="The database `security`, as its service role.")


class MigrationSettings(BaseSettings):
    """What the migrations need."""

    model_config = _CONFIG

    owner_database: PostgresSettings = Field(description="The database `security`, as its owner role.")
