"""Chapter: a backup is taken, listed, and read back file by file."""

import asyncio
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yoyaku.embedded.story.facts import ChapterBrokenError
from yoyaku.embedded.story.stage import Stage, described

MANIFEST = "backup_manifest"
_BLOCK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ReadBack:
    """What was found when every file named by the manifest was read again."""

    files: int
    size_bytes: int
    manifest_sha256: str
    wrong: tuple[str, ...]


async def backup_taken_and_read(stage: Stage) -> None:
    """The operator takes a backup; the gateway lists it; its files are read and their checksums compared."""
    stage.narrator.say("The operator types [bold]yoyaku backup now[/bold].")
    before = {run["run_id"] for run in await _runs(stage)}
    printed = await stage.house.operate("backup", "now")
    runs = await stage.eventually(
        lambda: _runs(stage),
        lambda found: any(run["run_id"] not in before and run["state"] != "running" for run in found),
    )
    fresh = [run for run in runs if run["run_id"] not in before]
    stage.must_hold(
        "the backup is taken, and the gateway lists it as completed",
        len(fresh) == 1 and fresh[0]["state"] == "completed",
        fresh or printed,
    )
    run = fresh[0]
    stage.cast.traces["backup run"] = str(run["run_id"])
    stage.expect_in_audit("a backup was begun", "backup.run.started.v1", run_id=run["run_id"])
    stage.expect_in_audit("the backup was taken", "backup.run.completed.v1", run_id=run["run_id"])
    _show(stage, run)
    verified = await stage.house.operate("backup", "verify", str(run["run_id"]))
    stage.holds("`yoyaku backup verify` calls it intact", "intact" in verified, verified)
    await _read_back(stage, run)


async def _runs(stage: Stage) -> list[Mapping[str, Any]]:
    answer = await stage.get("/api/v1/backups", stage.cast.admin, limit=50)
    if answer.status_code != 200:
        raise ChapterBrokenError(f"the list of backups answered {described(answer)}")
    runs: list[Mapping[str, Any]] = answer.json()["items"]
    return runs


def _show(stage: Stage, run: Mapping[str, Any]) -> None:
    stage.narrator.table(
        ("run", "kind", "state", "files", "size", "took"),
        [
            (
                str(run["run_id"]),
                str(run["kind"]),
                str(run["state"]),
                str(run["file_count"]),
                f"{(run['size_bytes'] or 0) / 1e6:.1f} MB",
                f"{run['duration_seconds'] or 0:.1f} s",
            )
        ],
        right=(3, 4, 5),
    )


async def _read_back(stage: Stage, run: Mapping[str, Any]) -> None:
    manifests = list((stage.house.data / "backups" / str(run["run_id"])).rglob(MANIFEST))
    stage.must_hold("it lies in the backup folder with its manifest", len(manifests) == 1, [str(m) for m in manifests])
    found = await asyncio.to_thread(read_back, manifests[0])
    stage.holds(
        f"every one of its {found.files} files ({found.size_bytes / 1e6:.1f} MB) is read back and has the size and "
        "SHA-256 that the manifest says",
        found.files > 0 and not found.wrong,
        found.wrong[:5],
    )
    stage.holds(
        "the manifest is the one that the event and the list name",
        found.manifest_sha256 == run["manifest_sha256"],
        f"{found.manifest_sha256}, listed {run['manifest_sha256']}",
    )


def read_back(manifest: Path) -> ReadBack:
    """Read every file that a PostgreSQL backup manifest names, and compare.

    Source: PostgreSQL documentation, Backup Manifest Format (Path, Size, Checksum-Algorithm, Checksum).
    """
    content = manifest.read_bytes()
    files = json.loads(content)["Files"]
    wrong, size_bytes = [], 0
    for file in files:
        name = file["Path"] if "Path" in file else bytes.fromhex(file["Encoded-Path"]).decode()
        path = manifest.parent / name
        if not path.is_file() or path.stat().st_size != file["Size"] or _sha256(path) != file["Checksum"]:
            wrong.append(name)
        size_bytes += file["Size"]
    return ReadBack(len(files), size_bytes, hashlib.sha256(content).hexdigest(), tuple(wrong))


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
