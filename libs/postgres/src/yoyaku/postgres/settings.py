"""How to reach one PostgreSQL database as one role, and the limits every session lives under.

Invariant: a password never appears in `repr`, a log line or an address; a password file others can read is refused.
"""

import ssl
import stat
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from yoyaku.postgres.errors import PasswordFileError

TlsMode = Literal["disable", "prefer", "require", "verify-full"]

_FORBIDDEN_MODE_BITS = stat.S_IRWXG | stat.S_IRWXO


class PostgresSettings(BaseModel):
    """One database seen by one role. Times are in seconds; zero switches a server limit off."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    port: int = Field(default=5432, ge=1, le=65535)
    database: str
    user: str
    password_file: Path | None = None
    """Read at each connection attempt, so that a rotated password is picked up; must be mode 0600 or stricter."""
    password: SecretStr | None = None
    tls: TlsMode = "prefer"
    """`verify-full` checks certificate and name; `require` encrypts only."""
    tls_ca_file: Path | None = None
    pool_min: int = Field(default=1, ge=0)
    pool_max: int = Field(default=10, ge=1)
    statement_timeout_seconds: float = Field(default=30.0, ge=0)
    lock_timeout_seconds: float = Field(default=5.0, ge=0)
    idle_in_transaction_timeout_seconds: float = Field(default=30.0, ge=0)
    transaction_timeout_seconds: float = Field(default=60.0, ge=0)
    """The only limit that ends the session of a client that fell silent between the messages of one statement."""
    connect_timeout_seconds: float = Field(default=5.0, gt=0)
    start_timeout_seconds: float = Field(default=60.0, gt=0)
    """How long a starting process waits for the database before it gives up."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.password is not None and self.password_file is not None:
            raise ValueError("password and password_file exclude each other")
        if self.pool_min > self.pool_max:
            raise ValueError("pool_min is larger than pool_max")
        return self

    def dsn_for_logs(self) -> str:
        """Return the address without any password."""
        return f"postgresql://{self.user}@{self.host}:{self.port}/{self.database}"

    def read_password(self) -> str | None:
        """Return the password, from the file when one is named. Raises PasswordFileError."""
        if self.password is not None:
            return self.password.get_secret_value()
        if self.password_file is None:
            return None
        try:
            mode = self.password_file.stat().st_mode
            if mode & _FORBIDDEN_MODE_BITS:
                raise PasswordFileError(self.password_file, "is readable by group or others; it must be mode 0600")
            return self.password_file.read_text(encoding="utf-8").strip()
        except OSError as exc:
            raise PasswordFileError(self.password_file, exc.strerror or type(exc).__name__) from exc

    def server_settings(self, application_name: str) -> dict[str, str]:
        """Return the run-time parameters a session starts with."""
        return {
            "application_name": application_name[:63],
            "TimeZone": "UTC",
            "statement_timeout": _milliseconds(self.statement_timeout_seconds),
            "lock_timeout": _milliseconds(self.lock_timeout_seconds),
            "idle_in_transaction_session_timeout": _milliseconds(self.idle_in_transaction_timeout_seconds),
            "transaction_timeout": _milliseconds(self.transaction_timeout_seconds),
            "tcp_keepalives_idle": "30",
            "tcp_keepalives_interval": "10",
            "tcp_keepalives_count": "3",
        }

    def connect_arguments(self, application_name: str) -> dict[str, Any]:
        """Return the keyword arguments for `asyncpg.connect`; the password is fetched at each connection attempt."""
        return {
            "host": self.host,
            "port": self.port,
            "database": self.database,
            "user": self.user,
            "password": self.read_password if self.password or self.password_file else None,
            "ssl": self._tls_argument(),
            "timeout": self.connect_timeout_seconds,
            "server_settings": self.server_settings(application_name),
        }

    def _tls_argument(self) -> ssl.SSLContext | str | bool:
        if self.tls in {"disable", "prefer"}:
            return False if self.tls == "disable" else "prefer"
        context = ssl.create_default_context(cafile=self.tls_ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.tls == "require":
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def _milliseconds(seconds: float) -> str:
    return str(round(seconds * 1000))
