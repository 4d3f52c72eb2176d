"""The options that the commands share."""

from typing import Annotated, Final

import typer

DEFAULT_URL: Final = "http://127.0.0.1:8080"

Url = Annotated[str, typer.Option("--url", envvar="YOYAKU_URL", help="The gateway's address.", metavar="URL")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document, for programs.")]
From = Annotated[
    str,
    typer.Option("--from", help="Begin: '2026-12-01 09:00' or 09:00 by the room's clock, or RFC 3339.", metavar="TIME"),
]
To = Annotated[str | None, typer.Option("--to", help="End, written like --from.", metavar="TIME")]
For = Annotated[str | None, typer.Option("--for", help="How long, instead of --to: 1h, 30m, 1h30m.", metavar="TIME")]
Date = Annotated[
    str | None,
    typer.Option("--date", help="The day of a bare 09:00: 2026-12-01, today or tomorrow.", metavar="DATE"),
]
