"""`yoyaku audit verify` and `yoyaku audit check`: the offline verifier, drawn for people. Needs no running system.

Exit codes: 0 whole, 1 damaged, 2 wrong usage or nothing that can be judged.
"""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from yoyaku.audit_log.entrypoints.commands.asking import EXIT_REFUSED, EXIT_USAGE, JsonOption, fail
from yoyaku.audit_log.verify.formats import (
    COSIGNATURE,
    LOG_SIGNATURE,
    NOTE_LIMIT,
    DamageError,
    InputError,
    Key,
    given_file,
)
from yoyaku.audit_log.verify.judge import verify
from yoyaku.audit_log.verify.proof import check
from yoyaku.audit_log.verify.walk import BODY_LIMIT, STRICT, Limits

KeyOption = Annotated[
    list[str], typer.Option("--key", metavar="VKEY", help="A verifier key of the log; repeatable, for keys in overlap.")
]
WitnessOption = Annotated[
    list[str], typer.Option("--witness", metavar="VKEY", help="A verifier key of a witness; repeatable.")
]


def verify_command(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The export of one epoch.")],
    *,
    key: KeyOption = [],  # noqa: B006
    witness: WitnessOption = [],  # noqa: B006
    since: Annotated[
        list[Path], typer.Option("--since", metavar="FILE", help="A checkpoint that was kept elsewhere; repeatable.")
    ] = [],  # noqa: B006
    tolerance: Annotated[
        float, typer.Option("--tolerance", min=0, help="Seconds by which a time of recording may go back.")
    ] = STRICT.tolerance_seconds,
    max_uncosigned: Annotated[
        float, typer.Option("--max-uncosigned", min=0, help="Seconds of the newest entries that no witness has seen.")
    ] = STRICT.uncosigned_seconds,
    minimum_index: Annotated[
        int, typer.Option("--minimum-index", min=0, help="Bundles that end before this index may be gone.")
    ] = STRICT.minimum_index,
    as_json: JsonOption = False,
) -> None:
    """Verify an export offline: every entry, tile, checkpoint and signature. Exits 1 and points at what is damaged."""
    if directory.is_file():
        fail(f"{directory}: a file; the proof of one entry is checked by `yoyaku audit check FILE`", EXIT_USAGE)
    _want_keys(key)
    with _usage_errors(), _progress() as progress:
        report = verify(
            directory,
            keys=[Key.parse(text, LOG_SIGNATURE) for text in key],
            witnesses=[Key.parse(text, COSIGNATURE) for text in witness],
            since=[(str(path), given_file(path, NOTE_LIMIT)) for path in since],
            limits=Limits(tolerance, max_uncosigned, minimum_index),
            progress=progress,
        )
    if as_json:
        typer.echo(json.dumps(report.as_record(), indent=2, ensure_ascii=False))
    else:
        _draw(report.lines(), "green" if report.is_whole else "red")
    raise typer.Exit(0 if report.is_whole else EXIT_REFUSED)


def check_command(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A proof of one entry, as `yoyaku audit prove` writes it.")
    ],
    *,
    key: KeyOption = [],  # noqa: B006
    witness: WitnessOption = [],  # noqa: B006
    body: Annotated[Path | None, typer.Option("--body", help="The body, where it was too large for its entry.")] = None,
    entry_only: Annotated[bool, typer.Option("--entry-only", help="Print the proven entry and nothing else.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Check a proof file offline: that the entry in it is in the log that the key has signed."""
    if file.is_dir():
        fail(f"{file}: a folder; an export is verified by `yoyaku audit verify DIR`", EXIT_USAGE)
    _want_keys(key)
    with _usage_errors():
        proven = check(
            given_file(file, NOTE_LIMIT),
            keys=[Key.parse(text, LOG_SIGNATURE) for text in key],
            witnesses=[Key.parse(text, COSIGNATURE) for text in witness],
            body=None if body is None else given_file(body, BODY_LIMIT),
        )
    if entry_only:
        typer.echo(proven.leaf.decode())
    elif as_json:
        typer.echo(json.dumps(proven.as_record(), indent=2, ensure_ascii=False))
    else:
        _draw(proven.lines(), "green")


def _want_keys(keys: Sequence[str]) -> None:
    if not keys:
        fail("no --key: whom do you trust? The log's keys are told by `yoyaku audit keys list`", EXIT_USAGE)


@contextmanager
def _usage_errors() -> Iterator[None]:
    try:
        yield
    except InputError as error:
        fail(str(error), EXIT_USAGE)
    except DamageError as error:
        fail(str(error), EXIT_REFUSED)


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """Draw a bar on a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("entries", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _draw(lines: Iterator[str], colour: str) -> None:
    out = Console(soft_wrap=True, highlight=False)
    for number, line in enumerate(lines):
        out.print(line, style=f"bold {colour}" if number == 0 else None, markup=False)
