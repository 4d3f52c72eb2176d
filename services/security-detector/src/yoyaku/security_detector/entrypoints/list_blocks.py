"""Shows the blocks in force, read from the detector's database; a process of its own, so that the CLI stays light."""

import asyncio
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from yoyaku.postgres.errors import PostgresError
from yoyaku.security_detector.domain.block import Block
from yoyaku.security_detector.settings import ReadingSettings
from yoyaku.security_detector.wiring import opened_blocks

EXIT_UNAVAILABLE: Final = 1
EXIT_NOT_CONFIGURED: Final = 2


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


def as_table(blocks: Sequence[Block], now: datetime) -> Table:
    """Draw blocks for people."""
    table = Table("kind", "value", "until (UTC)", "left", "rule", "incident", title=f"{len(blocks)} blocks in force")
    for block in blocks:
        left = f"{max(0, round(block.remaining_seconds(now)))} s"
        until = block.until.strftime("%Y-%m-%d %H:%M:%S")
        table.add_row(block.kind, block.value, until, left, block.rule, block.incident_id)
    return table


def main(arguments: Sequence[str]) -> int:
    """Print the blocks; 1 when the database cannot be reached, 2 when it is not named."""
    errors = Console(stderr=True)
    try:
        settings = ReadingSettings()
    except ValidationError:
        errors.print("Set SECURITY_DETECTOR_DATABASE__HOST, __PORT, __DATABASE, __USER and __PASSWORD_FILE first.")
        return EXIT_NOT_CONFIGURED
    now = datetime.now(UTC)
    try:
        blocks = asyncio.run(read(settings, now))
    except PostgresError as error:
        errors.print(f"The detector's database cannot be read: {error}", markup=False)
        return EXIT_UNAVAILABLE
    if "--json" in arguments:
        sys.stdout.write(f"{as_json(blocks)}\n")
    else:
        Console().print(as_table(blocks, now))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
