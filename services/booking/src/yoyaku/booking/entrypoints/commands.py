"""What the machine's operator does once: migrate, make the first ADMIN, write the API's description."""

import asyncio
import json
import secrets
from pathlib import Path
from typing import Final

from yoyaku.booking.domain.errors import PersonAlreadyExistsError
from yoyaku.booking.domain.errors import PersonNotFoundError as PersonNotFoundError
from yoyaku.booking.entrypoints.http.app import make_api
from yoyaku.booking.entrypoints.running_system import database_settings, refusals_told
from yoyaku.booking.settings import PACKAGE, DatabaseSettings, MigrationSettings
from yoyaku.booking.wiring.commands import password_resetter, person_maker
from yoyaku.lifecycle import command
from yoyaku.lifecycle.configuration import load

_PASSWORD_BYTES: Final = 18


class AdminExistsError(Exception):
    """There is an ADMIN already."""


def migrate_database() -> list[str]:
    """Bring the database to the state this version needs; return the names of the files applied."""
    return command.migrate_database(load(MigrationSettings).owner_database, PACKAGE)


def create_admin(user_id: str, password_file: Path | None = None) -> str:
    """Make the first ADMIN and return the password: the file's first line, else a generated one.

    Raises AdminExistsError, OSError for the file, RuleBrokenError for a password that is too weak.
    """
    settings = load(DatabaseSettings)
    if password_file is None:
        password = secrets.token_urlsafe(_PASSWORD_BYTES)
    else:
        password = password_file.read_text(encoding="utf-8").partition("\n")[0]
    try:
        asyncio.run(_create_admin(settings, user_id, password))
    except PersonAlreadyExistsError as error:
        raise AdminExistsError from error
    return password


async def _create_admin(settings: DatabaseSettings, user_id: str, password: str) -> None:
    async with person_maker(settings) as create_person:
        await create_person.first_admin(user_id, password)


def reset_password(user_id: str, data: Path) -> str:
    """Give somebody who is locked out a generated password and return it. Raises PersonNotFoundError."""
    settings = database_settings(data)
    with refusals_told():
        return asyncio.run(_reset_password(settings, user_id))


async def _reset_password(settings: DatabaseSettings, user_id: str) -> str:
    async with password_resetter(settings) as reset:
        return await reset.by_operator(user_id)


def openapi_text() -> str:
    """Return the OpenAPI document as it is checked in."""
    return json.dumps(make_api().openapi(), ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def write_openapi(path: Path) -> None:
    """Write the OpenAPI document."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(openapi_text(), encoding="utf-8")


def openapi_differs(path: Path) -> bool:
    """Say whether the file is not the OpenAPI document of this code."""
    return not path.is_file() or path.read_text(encoding="utf-8") != openapi_text()
