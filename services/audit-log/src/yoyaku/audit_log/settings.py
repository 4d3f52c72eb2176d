"""Settings of the audit log, read once from the environment (prefix `AUDIT_LOG_`) and passed down."""

from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from yoyaku.messaging.settings import NatsSettings
from yoyaku.observability.settings import ObservabilitySettings
from yoyaku.postgres.settings import PostgresSettings
from yoyaku.tlog.keys import Algorithm, VerifierKey

_CONFIG = SettingsConfigDict(env_prefix="AUDIT_LOG_", env_nested_delimiter="__", frozen=True, extra="ignore")


class OutsideWitnessSettings(BaseModel):
    """A witness of somebody else."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(
        description="Its submission prefix: /add-checkpoint is asked below it. HTTPS, but on the loopback."
    )
    vkey: str = Field(description="Its verifier key of kind cosignature/v1, as it tells it.")

    @field_validator("url")
    @classmethod
    def _is_protected(cls, url: str) -> str:
        parts = urlsplit(url)
        loopback = parts.scheme == "http" and parts.hostname in {"127.0.0.1", "::1", "localhost"}
        if not (parts.scheme == "https" or loopback) or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("the address of a witness begins with https:// and has neither query nor fragment")
        return url

    @field_validator("vkey")
    @classmethod
    def _cosigns(cls, vkey: str) -> str:
        if VerifierKey.parse(vkey).algorithm is not Algorithm.COSIGNATURE_V1:
            raise ValueError("the key of a witness is of the kind cosignature/v1 (0x04)")
        return vkey


class AuditLogSettings(BaseSettings):
    """What the service needs to run."""

    model_config = _CONFIG

    database: PostgresSettings = Field(description="The database `audit`, as its service role.")
    nats: NatsSettings = Field(description="The bus.")
    observability: ObservabilitySettings = Field(default_factory=ObservabilitySettings, description="Telemetry.")
    health_port: int = Field(default=8082, ge=0, le=65535, description="Port of /health on 127.0.0.1; 0 takes any.")
    sealer_database: PostgresSettings = Field(description="The database `audit`, as the role that drops sealed months.")
    keys_database: PostgresSettings = Field(description="The database `audit`, as the role that deletes keys.")
    environment: str = Field(
        default="development",
        pattern=r"^[a-z0-9][a-z0-9-]{0,62}$",
        description="Part of the name of the log (its origin).",
    )
    signing_keys_file: Path = Field(
        description="Ed25519 seeds of the checkpoints, one a line, 32 bytes in hexadecimal each; all of them sign."
    )
    master_key_file: Path = Field(
        description="The key that wraps the keys of personal fields: 32 bytes in hexadecimal."
    )
    digest_key_file: Path = Field(description="The key of keyed digests: 32 bytes in hexadecimal.")
    witness_public_keys_file: Path | None = Field(
        default=None,
        description="Public keys of the witness in security-detector, one a line, hexadecimal; none: no witness.",
    )
    outside_witnesses: tuple[OutsideWitnessSettings, ...] = Field(
        default=(),
        description='Witnesses elsewhere (C2SP tlog-witness), as JSON: [{"url": "https://...", "vkey": "..."}].',
    )
    object_store_url: str | None = Field(
        default=None,
        description="Where sealed months go: file:///..., s3://..., az://..., gs://...; none: nothing is sealed.",
    )
    retention_years: int = Field(
        default=7, ge=1, le=100, description="Years after its end until a sealed month is deleted."
    )
    archive_cache_dir: Path | None = Field(
        default=None, description="Folder for copies of archived objects; none: one that ends with the process."
    )
    archive_cache_bytes: int = Field(
        default=1024**3, ge=64 * 1024**2, description="How large that folder may grow, in bytes."
    )
    lease_seconds: float = Field(
        default=5.0, gt=0, description="How long a leader that says nothing keeps the lead: seconds to take over."
    )
    checkpoint_keep_seconds: float = Field(
        default=600.0, gt=0, le=3600, description="How often a checkpoint is kept for ever while entries are recorded."
    )
    partition_months_ahead: int = Field(default=3, ge=0, le=12, description="Months whose partitions are made ahead.")
    completeness_every_seconds: float = Field(
        default=60.0, gt=0, description="How often the numbers of all sources are compared with what is recorded."
    )
    completeness_grace_seconds: float = Field(
        default=30.0, ge=0, description="Two looks at least this far apart must miss a number before it is a gap."
    )
    completeness_statement_seconds: float = Field(
        default=3600.0, gt=0, description="A statement of completeness is made at most this often."
    )
    inspect_every_seconds: float = Field(
        default=3600.0, gt=0, le=86_400, description="How often what was recorded lately is verified."
    )
    inspect_window_hours: float = Field(
        default=26.0, gt=0, description="How far back that looks; a day and more, so that nothing slips between two."
    )
    inspect_whole_every_days: float = Field(
        default=7.0, gt=0, le=31, description="How often everything that the database holds is verified."
    )


class MigrationSettings(BaseSettings):
    """What the migrations need."""

    model_config = _CONFIG

    owner_database: PostgresSettings = Field(description="The database `audit`, as its owner role.")
