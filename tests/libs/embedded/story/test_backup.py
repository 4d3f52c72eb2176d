import hashlib
import json
from pathlib import Path

import pytest

from yoyaku.embedded.story.backup import read_back


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    files = []
    for name, content in (("base/1", b"one"), ("PG_VERSION", b"18\n")):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        files.append({"Path": name, "Size": len(content), "Checksum": hashlib.sha256(content).hexdigest()})
    found = tmp_path / "backup_manifest"
    found.write_text(json.dumps({"Files": files}))
    return found


def test_a_whole_backup_is_read_back(manifest: Path) -> None:
    found = read_back(manifest)
    assert (found.files, found.size_bytes, found.wrong) == (2, 6, ())
    assert found.manifest_sha256 == hashlib.sha256(manifest.read_bytes()).hexdigest()


@pytest.mark.parametrize("damage", [b"onE", b"one more", None])
def test_each_damage_is_named(manifest: Path, damage: bytes | None) -> None:
    path = manifest.parent / "base" / "1"
    path.unlink() if damage is None else path.write_bytes(damage)
    assert read_back(manifest).wrong == ("base/1",)
