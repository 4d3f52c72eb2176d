"""A short connection for commands: one identity, one purpose, a clear error when the bus is not there."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import nats
from nats.errors import Error
from nats.js import JetStreamContext
from pydantic_settings import BaseSettings, SettingsConfigDict

from yoyaku.messaging.settings import NatsSettings, is_refusal
from yoyaku.messaging.topology import inbox_prefix

CONNECTION_FILE: Final = "connection.json"
"""What a running system writes into its data folder: `nats_url`, and `nats_seed_files` by identity."""


class BusUnreachableError(Exception):
    """A command does not know where the bus is, or the bus does not let it in; the message says what to do."""


class CommandSettings(BaseSettings):
    """`YOYAKU_NATS__URL` and `YOYAKU_NATS__NKEY_SEED_FILE`, which win over the data folder."""

    model_config = SettingsConfigDict(env_prefix="YOYAKU_", env_nested_delimiter="__", frozen=True, extra="ignore")

    nats: NatsSettings | None = None


def settings_for(identity: str, data_dir: Path) -> NatsSettings:
    """Find how `identity` reaches the bus: the environment first, then the data folder of a running system.

    Raises BusUnreachableError when neither says.
    """
    chosen = CommandSettings().nats
    if chosen is not None:
        return chosen
    path = data_dir / CONNECTION_FILE
    try:
        connection: dict[str, Any] = json.loads(path.read_text())
        return NatsSettings(url=connection["nats_url"], nkey_seed_file=Path(connection["nats_seed_files"][identity]))
    except FileNotFoundError:
        raise BusUnreachableError(
            f"no system runs on {data_dir}; start one with `yoyaku up`, or name its folder with --data, "
            "or the bus by YOYAKU_NATS__URL"
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise BusUnreachableError(f"{path} does not say how {identity} reaches the bus") from error


@asynccontextmanager
async def administering(settings: NatsSettings, identity: str) -> AsyncIterator[JetStreamContext]:
    """Connect once, without reconnecting, and close at the end. Raises BusUnreachableError."""
    reasons: list[Exception] = []

    async def on_error(error: Exception) -> None:
        reasons.append(error)

    try:
        client = await nats.connect(
            settings.servers,
            name=f"yoyaku command as {identity}",
            nkeys_seed=settings.checked_seed_file(),
            tls=settings.tls_context(),
            inbox_prefix=inbox_prefix(identity).encode(),
            connect_timeout=settings.connect_timeout_seconds,
            allow_reconnect=False,
            max_reconnect_attempts=1,
            reconnect_time_wait=0,
            error_cb=on_error,
        )
    except (Error, OSError, TimeoutError) as error:
        if is_refusal(error):
            raise BusUnreachableError(f"the bus refused the identity of {identity}") from error
        raise BusUnreachableError(f"no bus answers at {settings.url}: {error or type(error).__name__}") from error
    try:
        yield client.jetstream(timeout=settings.request_timeout_seconds)
    except (Error, TimeoutError) as error:
        told = "; ".join(str(reason) for reason in reasons) or str(error) or type(error).__name__
        raise BusUnreachableError(f"the bus did not do it: {told}") from error
    finally:
        await client.close()
