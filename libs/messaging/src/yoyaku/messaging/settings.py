"""How a process reaches the bus. Nested into each service's settings; read nowhere else."""

import ssl
import stat
from pathlib import Path

from nats.errors import AuthorizationError
from pydantic import BaseModel, ConfigDict, Field


class SeedFileReadableError(Exception):
    """The file with the nkey seed can be read by others."""


def is_refusal(error: Exception) -> bool:
    """Tell whether the server refused who we are; the client gives that as one of two kinds of error."""
    return isinstance(error, AuthorizationError) or "authorization violation" in str(error).lower()


class NatsSettings(BaseModel):
    """Address and identity on the bus; each field carries its unit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(description="Address of the server, e.g. nats://127.0.0.1:4222; several separated by commas.")
    nkey_seed_file: Path | None = Field(
        default=None, description="File of mode 0600 with the nkey seed that is this process's identity."
    )
    tls_ca_file: Path | None = Field(default=None, description="Authority that signed the server's certificate (PEM).")
    connect_timeout_seconds: int = Field(default=2, ge=1, description="Limit of one attempt to connect.")
    reconnect_wait_seconds: float = Field(default=0.25, gt=0, description="Pause between two attempts to reconnect.")
    request_timeout_seconds: float = Field(default=5.0, gt=0, description="Limit of one JetStream request.")
    drain_timeout_seconds: int = Field(default=10, ge=1, description="Limit of finishing in-flight work at shutdown.")
    replicas: int = Field(default=1, ge=1, le=5, description="Copies of each stream on a cluster of servers.")

    @property
    def servers(self) -> list[str]:
        """List the addresses."""
        return [part.strip() for part in self.url.split(",") if part.strip()]

    def checked_seed_file(self) -> str | None:
        """Give the path of the nkey seed. Raises SeedFileReadableError when others may read it, else OSError."""
        if self.nkey_seed_file is None:
            return None
        if self.nkey_seed_file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise SeedFileReadableError(f"{self.nkey_seed_file.name} must have mode 0600")
        return str(self.nkey_seed_file)

    def tls_context(self) -> ssl.SSLContext | None:
        """Give the context of TLS 1.2 or newer that verifies the server; `None` without `tls_ca_file`."""
        if self.tls_ca_file is None:
            return None
        context = ssl.create_default_context(cafile=self.tls_ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context
