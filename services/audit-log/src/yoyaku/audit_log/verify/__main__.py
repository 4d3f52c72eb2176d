"""`python -m verify DIR --key VKEY` and `python -m verify check FILE --key VKEY`.

Exit codes: 0 whole, 1 damaged, 2 wrong usage or nothing that can be judged, 130 stopped by Ctrl-C.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TextIO

from .formats import COSIGNATURE, LOG_SIGNATURE, NOTE_LIMIT, DamageError, InputError, Key, given_file
from .judge import verify
from .proof import check
from .walk import BODY_LIMIT, STRICT, Limits

EXIT_WHOLE: Final = 0
EXIT_DAMAGED: Final = 1
EXIT_USAGE: Final = 2
EXIT_STOPPED: Final = 130
CHECK: Final = "One entry with its proof is checked by: python -m verify check FILE --key VKEY"


def main(arguments: Sequence[str]) -> int:
    """Do what the command line says; return the exit code."""
    try:
        return _check(arguments[1:]) if arguments[:1] == ["check"] else _verify(arguments)
    except DamageError as error:
        _say(sys.stderr, f"DAMAGED  {error}")
        return EXIT_DAMAGED
    except InputError as error:
        _say(sys.stderr, f"error: {error}")
        return EXIT_USAGE
    except KeyboardInterrupt:
        _say(sys.stderr, "stopped")
        return EXIT_STOPPED


def _verify(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m verify", description="Verify an exported audit log.", epilog=CHECK)
    parser.add_argument("directory", type=Path, metavar="DIR", help="the export of one epoch (C2SP tlog-tiles)")
    _add_keys(parser)
    parser.add_argument("--since", type=Path, action="append", default=[], help="a checkpoint that was kept elsewhere")
    parser.add_argument("--tolerance", type=float, default=STRICT.tolerance_seconds, metavar="SECONDS")
    parser.add_argument("--max-uncosigned", type=float, default=STRICT.uncosigned_seconds, metavar="SECONDS")
    parser.add_argument("--minimum-index", type=int, default=STRICT.minimum_index, metavar="INDEX")
    given = parser.parse_args(arguments)
    report = verify(
        given.directory,
        keys=parse_keys(given.key, LOG_SIGNATURE),
        witnesses=parse_keys(given.witness, COSIGNATURE),
        since=[(str(path), given_file(path, NOTE_LIMIT)) for path in given.since],
        limits=Limits(given.tolerance, given.max_uncosigned, given.minimum_index),
        progress=_show_progress if sys.stderr.isatty() else lambda done, total: None,
    )
    text = json.dumps(report.as_record(), ensure_ascii=False) if given.json else "\n".join(report.lines())
    _say(sys.stdout, text)
    return EXIT_WHOLE if report.is_whole else EXIT_DAMAGED


def _check(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m verify check", description="Check the proof of one entry.")
    parser.add_argument("file", type=Path, metavar="FILE", help="a .tlog-proof file that holds its entry")
    _add_keys(parser)
    parser.add_argument("--body", type=Path, help="the body, where it was too large for its entry")
    parser.add_argument("--entry-only", action="store_true", help="print the proven entry and nothing else")
    given = parser.parse_args(arguments)
    proven = check(
        given_file(given.file, NOTE_LIMIT),
        keys=parse_keys(given.key, LOG_SIGNATURE),
        witnesses=parse_keys(given.witness, COSIGNATURE),
        body=None if given.body is None else given_file(given.body, BODY_LIMIT),
    )
    if given.entry_only:
        _say(sys.stdout, proven.leaf.decode())
    else:
        _say(
            sys.stdout, json.dumps(proven.as_record(), ensure_ascii=False) if given.json else "\n".join(proven.lines())
        )
    return EXIT_WHOLE


def _add_keys(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--key", action="append", required=True, metavar="VKEY", help="a key of the log (repeatable)")
    parser.add_argument(
        "--witness", action="append", default=[], metavar="VKEY", help="a key of a witness (repeatable)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON for programs")


def parse_keys(texts: Sequence[str], kind: int) -> list[Key]:
    """Read verifier keys. Raises InputError."""
    return [Key.parse(text, kind) for text in texts]


def _show_progress(done: int, total: int) -> None:
    if done == total or not done & 0xFFFF:
        sys.stderr.write(f"\r{done:,} of {total:,} entries" + ("\n" if done == total else ""))


def _say(stream: TextIO, text: str) -> None:
    stream.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
