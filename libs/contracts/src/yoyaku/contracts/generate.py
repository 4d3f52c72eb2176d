"""Write the JSON Schemas and the AsyncAPI document of the contracts, check them, or freeze them.

    python -m yoyaku.contracts.generate            write schemas/current and docs/api/asyncapi.yaml again
    python -m yoyaku.contracts.generate --check    exit 1 naming each drifted file and each breaking change
    python -m yoyaku.contracts.generate --release  freeze the current schemas in schemas/released

Invariant: what is released never changes in a breaking way.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from yoyaku.contracts.asyncapi import asyncapi_document
from yoyaku.contracts.compatibility import BreakingChange, breaking_changes
from yoyaku.contracts.schemas import Schema, event_schemas
from yoyaku.contracts.yaml_text import to_yaml

WORKSPACE: Final = Path(__file__).resolve().parents[5]


@dataclass(frozen=True, slots=True)
class Places:
    """Where the generated files are, under the root of the workspace."""

    root: Path

    @property
    def current(self) -> Path:
        """The folder of the schemas as the models are now."""
        return self.root / "libs/contracts/schemas/current"

    @property
    def released(self) -> Path:
        """The folder of the frozen schemas."""
        return self.root / "libs/contracts/schemas/released"

    @property
    def asyncapi(self) -> Path:
        """The document of the bus."""
        return self.root / "docs/api/asyncapi.yaml"


def schema_text(schema: Schema) -> str:
    """Write a schema document as the text of its file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def generated_files(places: Places, schemas: Mapping[str, Schema]) -> dict[Path, str]:
    """Name every generated file and what it must hold."""
    files = {places.current / f"{event_type}.json": schema_text(schema) for event_type, schema in schemas.items()}
    files[places.asyncapi] = to_yaml(asyncapi_document())
    return files


def write(places: Places, schemas: Mapping[str, Schema]) -> list[Path]:
    """Write every generated file and remove the schemas of events that are gone; return what changed."""
    drifted = drift(places, schemas)
    files = generated_files(places, schemas)
    for path in drifted:
        if path in files:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files[path], encoding="utf-8")
        else:
            path.unlink()
    return drifted


def drift(places: Places, schemas: Mapping[str, Schema]) -> list[Path]:
    """Name each generated file that is missing, differs, or belongs to no event any more."""
    files = generated_files(places, schemas)
    stale = [path for path in places.current.glob("*.json") if path not in files]
    differing = [path for path, text in files.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    return sorted(stale + differing)


def released_schemas(places: Places) -> dict[str, Schema]:
    """Read the frozen schemas, by event type."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(places.released.glob("*.json"))}


def release(places: Places, schemas: Mapping[str, Schema]) -> list[BreakingChange]:
    """Freeze the schemas, unless that would be a breaking change: then nothing is written and each is returned."""
    breaking = breaking_changes(released_schemas(places), schemas)
    if not breaking:
        places.released.mkdir(parents=True, exist_ok=True)
        for event_type, schema in schemas.items():
            (places.released / f"{event_type}.json").write_text(schema_text(schema), encoding="utf-8")
    return breaking


def check(places: Places, schemas: Mapping[str, Schema]) -> list[str]:
    """Name each problem: a drifted file, a breaking change. Changes nothing."""
    problems = [f"{path.relative_to(places.root)} differs from the models" for path in drift(places, schemas)]
    return problems + [str(change) for change in breaking_changes(released_schemas(places), schemas)]


def main(arguments: Sequence[str] | None = None, schemas: Mapping[str, Schema] | None = None) -> int:
    """Run the command; 0 when all is well, 1 when something drifted or breaks."""
    parser = argparse.ArgumentParser(prog="python -m yoyaku.contracts.generate", description=__doc__.partition("\n")[0])
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--check", action="store_true", help="change nothing; name drift and breaking changes")
    mode.add_argument("--release", action="store_true", help="freeze the current schemas; refuse a breaking change")
    parser.add_argument("--root", type=Path, default=WORKSPACE, help="the root of the workspace")
    given = parser.parse_args(arguments)
    places = Places(given.root.resolve())
    schemas = event_schemas() if schemas is None else schemas
    if given.check:
        problems = check(places, schemas)
        hint = "python -m yoyaku.contracts.generate writes the files again; a breaking change needs a new version."
        return _report([*problems, hint] if problems else [], "contracts: generated files are up to date")
    if given.release:
        refused = [f"not released: {change}" for change in release(places, schemas)]
        return _report(refused, f"contracts: {len(schemas)} schemas are released")
    written = write(places, schemas)
    return _report([], f"contracts: {len(written)} files written")


def _report(problems: Sequence[str], success: str) -> int:
    for line in problems:
        sys.stderr.write(f"{line}\n")
    if not problems:
        sys.stdout.write(f"{success}\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
