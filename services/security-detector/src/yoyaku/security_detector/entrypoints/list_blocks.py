"""Shows the blocks in force, read from the detector's database; a process of its own, so that the CLI stays light."""

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from yoyaku.lifecycle import configuration
from yoyaku.messaging.administration import CONNECTION_FILE
from yoyaku.postgres.errors import PostgresError
from yoyaku.postgres.settings import PostgresSettings
from yoyaku.security_detector.domain.block import Block
from yoyaku.security_detector.settings import ReadingSettings
from yoyaku.security_detector.wiring import opened_blocks

EXIT_UNAVAILABLE: Final = 1
EXIT_NOT_CONFIGURED: Final = 2
DATABASE: Final = "security"
ROLE: Final = "security_service"
PIPED_WIDTH: Final = 400
"""Columns when nobody's terminal sets a limit: nothing is cut off for grep."""


class NotConfiguredError(Exception):
    """Neither the environment nor the data folder says where the database is; the message says what to do."""


def settings_for(data_dir: Path) -> ReadingSettings:
    """Find the database: the environment first, then the data folder of a running system. Raises NotConfiguredError."""
    if any(name.upper().startswith("SECURITY_DETECTOR_DATABASE__") for name in os.environ):
        try:
            return configuration.read(ReadingSettings)
        except configuration.NotConfiguredError as error:
            raise NotConfiguredError(str(error)) from None
    path = data_dir / CONNECTION_FILE
    try:
        told = json.loads(path.read_text())
        return ReadingSettings(
            database=PostgresSettings(
                host=told["postgres_host"],
                port=told["postgres_port"],
                database=DATABASE,
                user=ROLE,
                password_file=Path(told["password_files"][ROLE]),
            )
        )
    except FileNotFoundError:
        raise NotConfiguredError(
            f"no system runs on {data_dir}; start one with `yoyaku up`, or name its folder with --data, "
            "or the database by SECURITY_DETECTOR_DATABASE__HOST, __PORT, __DATABASE, __USER and __PASSWORD_FILE"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NotConfiguredError(f"{path} does not say how {ROLE} reaches its database") from error


async def read(settings: ReadingSettings, now: datetime) -> Sequence[Block]:
    """Read the blocks in force. Raises PostgresError."""
    database = settings.database.model_copy(update={"start_timeout_seconds": 5.0})
    async with opened_blocks(database) as blocks:
        return await blocks.in_force(now)


def as_json(blocks: Sequence[Block]) -> str:
    """Write blocks for programs."""
    return json.dumps(
        [
            {
                "kind": block.kind,
                "value": block.value,
                "until": block.until.isoformat().replace("+00:00", "Z"),
                "rule": block.rule,
                "incident_id": block.incident_id,
                "block_id": block.block_id,
            }
            for block in blocks
        ]
    )


def _title(count: int) -> str:
    return f"{count} block in force" if count == 1 else f"{count or 'no'} blocks in force"


def as_table(blocks: Sequence[Block], now: datetime) -> Table:
    """Draw blocks for people."""
    table = Table(box=None, header_style="bold", title=_title(len(blocks)), title_justify="left")
    for name in ("Kind", "Value", "Until (UTC)", "Left"):
        table.add_column(name, no_wrap=True)
    for name in ("Rule", "Incident"):
        table.add_column(name, overflow="fold")
    for block in blocks:
        left = f"{max(0, round(block.remaining_seconds(now)))} s"
        until = block.until.strftime("%Y-%m-%d %H:%M:%S")
        table.add_row(block.kind, block.value, until, left, block.rule, block.incident_id)
    return table


def main(arguments: Sequence[str]) -> int:
    """Print the blocks of the data folder named first; 1 when the database cannot be reached, 2 when it is unknown."""
    errors = Console(stderr=True, soft_wrap=True)
    data_dir, *options = arguments
    try:
        settings = settings_for(Path(data_dir))
    except NotConfiguredError as error:
        errors.print(f"error: {error}", markup=False, highlight=False)
        return EXIT_NOT_CONFIGURED
    now = datetime.now(UTC)
    try:
        blocks = asyncio.run(read(settings, now))
    except PostgresError as error:
        told = f"error: the detector's database cannot be read, see `yoyaku status`: {error}"
        errors.print(told, markup=False, highlight=False)
        return EXIT_UNAVAILABLE
    if "--json" in options:
        sys.stdout.write(f"{as_json(blocks)}\n")
    else:
        out = Console(width=None if sys.stdout.isatty() else PIPED_WIDTH)
        out.print(as_table(blocks, now) if blocks else _title(0))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
