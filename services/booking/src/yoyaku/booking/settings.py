"""What the operator of the booking service chooses: one frozen class a process, all read from `BOOKING_...`.

Invariant: built once in `__main__`, passed down, never a global.
"""

from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, IPvAnyNetwork
from pydantic_settings import BaseSettings, SettingsConfigDict

from yoyaku.messaging.settings import NatsSettings
from yoyaku.observability.settings import ObservabilitySettings
from yoyaku.postgres.settings import PostgresSettings

SERVICE: Final = "booking"
PACKAGE: Final = "yoyaku.booking"


class _Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix="BOOKING_", env_nested_delimiter="__", frozen=True, extra="ignore", use_attribute_docstrings=True
    )


class MigrationSettings(_Settings):
    """What `migrate` needs."""

    owner_database: PostgresSettings
    """The database as its owner."""


class DatabaseSettings(_Settings):
    """What every other command needs."""

    database: PostgresSettings
    """The database as the service."""
    observability: ObservabilitySettings = Field(default_factory=ObservabilitySettings)
    """Traces, metrics and logs."""


class WorkerSettings(DatabaseSettings):
    """What the worker needs: it publishes the outbox, copies blocks, repairs denials, and forgets what expired."""

    nats: NatsSettings
    """The bus."""
    health_port: int = 0
    """Port on 127.0.0.1 for the health endpoints; 0 takes a free one."""
    occupancy_seconds: float = Field(default=60.0, gt=0)
    """How often today's occupancy is read off the database."""
    expiry_seconds: float = Field(default=60.0, gt=0)
    """How often expired idempotency keys, copied blocks, sessions and denials are deleted."""


class RateLimitSettings(BaseModel):
    """How many requests are too many. A quota may be used at once and refills within its window; 0 is no limit.

    Each gateway counts alone: `n` gateways behind one balancer let through up to `n` times as much.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    address_quota: int = Field(default=6000, ge=0, le=10**9)
    """Requests from one address; a whole office may share one."""
    address_window_seconds: int = Field(default=60, ge=1, le=86400)
    person_quota: int = Field(default=1200, ge=0, le=10**9)
    """Requests of one person who is signed in."""
    person_window_seconds: int = Field(default=60, ge=1, le=86400)
    sign_in_address_quota: int = Field(default=300, ge=0, le=10**9)
    """Sign-ins from one address."""
    sign_in_address_window_seconds: int = Field(default=60, ge=1, le=86400)
    sign_in_account_quota: int = Field(default=30, ge=0, le=10**9)
    """Sign-ins to one account from one address; well above what the security detector needs to block the address."""
    sign_in_account_window_seconds: int = Field(default=60, ge=1, le=86400)
    concurrent_per_address: int = Field(default=256, ge=0)
    """Requests from one address that a worker answers at the same time."""
    ipv6_prefix_bits: int = Field(default=64, ge=1, le=128)
    """IPv6 addresses that agree in so many bits count as one."""
    slots: int = Field(default=65536, ge=1024, le=2**24)
    """How many keys are remembered, 16 bytes each; beyond that, those that used the least are forgotten first."""


class KeySettings(DatabaseSettings):
    """What the commands about signing keys need."""

    key_encryption_key_file: Path
    """32 bytes in hex: seals the signing keys that the database keeps; mode 0600, the same on every machine."""


class GatewaySettings(DatabaseSettings):
    """What the gateway needs."""

    nats: NatsSettings
    """The bus."""
    http_host: str = "127.0.0.1"
    """Address to listen on."""
    http_port: int = Field(default=8080, ge=1, le=65535)
    """Port to listen on."""
    workers: int = Field(default=2, ge=1, le=64)
    """Processes that serve requests."""
    key_encryption_key_file: Path
    """32 bytes in hex: opens the signing keys that the database keeps sealed; mode 0600, the same on every machine."""
    digest_key_file: Path
    """32 bytes in hex: the key of the digests of unknown user ids and user agents; mode 0600."""
    hash_threads: int = Field(default=1, ge=1, le=64)
    """Threads of a process that hash passwords."""
    hash_waiting_limit: int = Field(default=200, ge=0)
    """Sign-ins of a process that may wait for a hash before more are refused with 503."""
    refresh_token_days: int = Field(default=30, ge=1)
    """How long a refresh token waits to be used."""
    session_days: int = Field(default=90, ge=1)
    """How long a session lasts however often it is refreshed; then the password is asked for again."""
    idempotency_key_hours: int = Field(default=24, ge=1)
    """How long an answer is kept under its Idempotency-Key."""
    booking_hours_back: int = Field(default=24, ge=0, le=31 * 24)
    """How many hours ago a reservation may start; at most 31 days, as far as a room's past closures are known."""
    booking_days_ahead: int | None = Field(default=None, ge=1)
    """How many days ahead a reservation may start; no limit when unset."""
    question_timeout_seconds: float = Field(default=3.0, gt=0)
    """How long another service may take to answer."""
    bus_patience_seconds: float = Field(default=3.0, gt=0)
    """How long a starting process waits for NATS before the blocks in the database are good enough."""
    rate_limit: RateLimitSettings = Field(default_factory=RateLimitSettings)
    """How many requests are too many."""
    deadline_seconds: float = Field(default=30.0, gt=0)
    """How long a request may take until its changes are committed; then it is undone and answered with 503."""
    allowed_hosts: tuple[str, ...] = ()
    """Names that the gateway answers to, as JSON; `*.example.org` takes all below. Any name when empty."""
    cors_origins: tuple[str, ...] = ()
    """Origins whose pages may call the API from a browser, as JSON, such as `["https://rooms.example.org"]`."""
    trusted_proxies: tuple[IPvAnyNetwork, ...] = ()
    """Networks of the proxies in front, as JSON, such as `["10.0.0.0/8"]`: what they say of the client is believed."""
    forwarded_header: Literal["x-forwarded-for", "forwarded"] = "x-forwarded-for"
    """The header that every trusted proxy appends the client's address to; the other one is not read."""
    trust_traceparent: bool = False
    """Whether anyone's `traceparent` goes on; else only that of a trusted proxy, and others are linked to."""
    drain_grace_seconds: float = Field(default=0.5, ge=0)
    """How long after SIGTERM connections that the kernel had already accepted are still taken up."""
    drain_seconds: int = Field(default=20, ge=1)
    """How long requests may still take after SIGTERM."""
