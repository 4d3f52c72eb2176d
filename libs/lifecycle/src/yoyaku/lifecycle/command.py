"""The command line of a service's process: `python -m yoyaku.<service>`, or `... migrate`.

Invariant: a running service never loads what only migrations need.
"""

import asyncio
import importlib
import sys
from collections.abc import Callable, Sequence
from typing import Final

from yoyaku.postgres.errors import PostgresError
from yoyaku.postgres.settings import PostgresSettings

_MIGRATE: Final = "yoyaku.postgres.migrate"


def usage_of(package: str, *, does: str) -> str:
    """Return the help of a service: `does` says what it does all day, beginning with a verb."""
    prefix = package.rpartition(".")[2].upper()
    return f"""usage: python -m {package} [migrate]

Without an argument: {does}, until SIGTERM or SIGINT.
migrate: brings the database to the state this version needs, as its owner role.
Settings come from {prefix}_... in the environment; settings.py of the service names them all."""


def obey(arguments: Sequence[str], *, usage: str, serve: Callable[[], None], migrate: Callable[[], object]) -> None:
    """Do what the arguments say. Raises SystemExit with the usage when they say nothing known."""
    match list(arguments):
        case []:
            serve()
        case ["migrate"]:
            migrate()
        case ["--help"] | ["-h"]:
            sys.stdout.write(f"{usage}\n")
        case _:
            sys.exit(usage)


def migrate_database(owner: PostgresSettings, package: str) -> list[str]:
    """Bring a database to the head of a package's migrations; return the names of the files applied.

    What PostgreSQL refuses is said in one line on standard error, and raises SystemExit(1).
    """
    try:
        applied: list[str] = asyncio.run(importlib.import_module(_MIGRATE).migrate(owner, package))
    except PostgresError as error:
        sys.exit(f"error: {error}")
    return applied
