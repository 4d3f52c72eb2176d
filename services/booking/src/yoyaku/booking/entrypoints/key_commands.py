"""What the machine's operator does with the keys that sign access tokens."""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Final

from yoyaku.booking.domain.signing_key import KeyState, SigningKey, SigningKeyError, state_of
from yoyaku.booking.entrypoints.running_system import database_settings, key_settings, refusals_told
from yoyaku.booking.wiring.keys import key_commands, stored_keys

__all__: Final = ["SigningKeyError", "list_keys", "revoke_key", "rotate_keys"]

Shown = dict[str, str | None]


def list_keys(data: Path) -> list[Shown]:
    """Return every key, oldest first, with its state now."""
    settings = database_settings(data)
    with refusals_told():
        keys, now = asyncio.run(stored_keys(settings))
    return [_shown(key, state_of(key, keys, now)) for key in keys]


def rotate_keys(data: Path, *, at_once: bool) -> Shown:
    """Make a new key and return it. Raises SigningKeyError when another waits and this one is not to sign at once."""
    settings = key_settings(data)

    async def rotate() -> SigningKey:
        async with key_commands(settings) as commands:
            return await commands.rotate(at_once=at_once)

    with refusals_told():
        return _shown(asyncio.run(rotate()))


def revoke_key(data: Path, key_id: str, *, replace: bool) -> Shown | None:
    """Revoke a key; return the one made in its place, if it was to be replaced. Raises SigningKeyError."""
    settings = key_settings(data)

    async def revoke() -> SigningKey | None:
        async with key_commands(settings) as commands:
            return await commands.revoke(key_id, replace=replace)

    with refusals_told():
        made = asyncio.run(revoke())
    return _shown(made) if made is not None else None


def _shown(key: SigningKey, state: KeyState | None = None) -> Shown:
    shown: Shown = {
        "key_id": key.key_id,
        "created_at": _text(key.created_at),
        "signs_from": _text(key.signs_from),
        "verifies_until": _text(key.verifies_until),
        "revoked_at": _text(key.revoked_at),
    }
    return shown if state is None else shown | {"state": state.value}


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z") if moment is not None else None
