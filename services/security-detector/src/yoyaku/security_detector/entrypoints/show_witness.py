"""Shows what the witness cosigned, read from the detector's database; a process of its own: the CLI stays light."""

import asyncio
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from yoyaku.postgres.errors import PostgresError
from yoyaku.security_detector.domain.witness import DamagedMemoryError, Witnessed
from yoyaku.security_detector.entrypoints.list_blocks import (
    EXIT_NOT_CONFIGURED,
    EXIT_UNAVAILABLE,
    PIPED_WIDTH,
    NotConfiguredError,
    settings_for,
)
from yoyaku.security_detector.settings import ReadingSettings
from yoyaku.security_detector.wiring import opened_witness

EXIT_DAMAGED: Final = 1
EXIT_NOTHING: Final = 3
"""`--note` was asked for, and nothing was cosigned yet."""


async def read(settings: ReadingSettings) -> Sequence[Witnessed]:
    """Read the newest cosigned checkpoint of each origin. Raises PostgresError."""
    database = settings.database.model_copy(update={"start_timeout_seconds": 5.0})
    async with opened_witness(database) as records:
        return await records.all()


def as_json(found: Sequence[Witnessed]) -> str:
    """Write checkpoints for programs; the one that was cosigned last comes first."""
    return json.dumps(
        [
            {
                "origin": one.checkpoint.origin,
                "size": one.checkpoint.size,
                "root_sha256": one.checkpoint.root.hex(),
                "cosigned_at": _moment(one).isoformat().replace("+00:00", "Z"),
                "vkeys": list(one.vkeys),
                "note": one.note.encode().decode(),
            }
            for one in found
        ]
    )


def as_table(found: Sequence[Witnessed]) -> Table:
    """Draw checkpoints for people."""
    table = Table(box=None, header_style="bold", title="Newest cosigned checkpoints", title_justify="left")
    table.add_column("Log", overflow="fold")
    table.add_column("Size", justify="right", no_wrap=True)
    table.add_column("Cosigned (UTC)", no_wrap=True)
    table.add_column("Root (SHA-256)", overflow="fold")
    for one in found:
        cosigned = _moment(one).strftime("%Y-%m-%d %H:%M:%S")
        table.add_row(one.checkpoint.origin, str(one.checkpoint.size), cosigned, one.checkpoint.root.hex())
    return table


def _moment(one: Witnessed) -> datetime:
    return datetime.fromtimestamp(one.time, UTC)


def show(found: Sequence[Witnessed], out: Console) -> None:
    """Draw keys and checkpoints for people."""
    if not found:
        out.print("nothing cosigned yet")
        return
    for vkey in found[0].vkeys:
        out.print(f"Key: {vkey}", markup=False, highlight=False, soft_wrap=True)
    out.print(as_table(found))


def main(arguments: Sequence[str]) -> int:
    """Print what was cosigned in the data folder named first.

    1 when the database cannot be reached or what it holds was changed, 2 when it is unknown, 3 when there is no note.
    """
    errors = Console(stderr=True, soft_wrap=True)
    data_dir, *options = arguments
    try:
        found = asyncio.run(read(settings_for(Path(data_dir))))
    except NotConfiguredError as error:
        errors.print(f"error: {error}", markup=False, highlight=False)
        return EXIT_NOT_CONFIGURED
    except DamagedMemoryError as error:
        told = f"error: the memory of the witness is damaged, see the runbook audit-integrity: {error}"
        errors.print(told, markup=False, highlight=False)
        return EXIT_DAMAGED
    except PostgresError as error:
        told = f"error: the detector's database cannot be read, see `yoyaku status`: {error}"
        errors.print(told, markup=False, highlight=False)
        return EXIT_UNAVAILABLE
    if "--note" in options and not found:
        errors.print("error: nothing was cosigned yet", markup=False, highlight=False)
        return EXIT_NOTHING
    if "--note" in options:
        sys.stdout.write(found[0].note.encode().decode())
    elif "--json" in options:
        sys.stdout.write(f"{as_json(found)}\n")
    else:
        show(found, Console(width=None if sys.stdout.isatty() else PIPED_WIDTH))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
