"""How a process reaches the bus. Nested into each service's settings; read nowhere else."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


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
