"""The checker of tlog-tiles folders that is built from code of others (`tools/tlog-check`), where Go is."""

import functools
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[5]
_SOURCE = _ROOT / "tools/tlog-check"
_BINARY = _ROOT / "build/tlog-check"
_ENVIRONMENT = {**os.environ, "GOTOOLCHAIN": "local"}


@dataclass(frozen=True)
class Checked:
    """What the checker said of a folder."""

    holds: bool
    says: str


def check_with_third_party(path: Path, *, key: str, origin: str | None = None, witness: str | None = None) -> Checked:
    """Check a folder, or a proof file that holds its entry as extra data; verifier keys as text.

    With `witness` its cosignature must be on the checkpoint.

    Skips the test where the checker cannot be had: no Go, or its modules cannot be downloaded.
    """
    binary = _built()
    if isinstance(binary, str):
        pytest.skip(binary)
    what = "-dir" if path.is_dir() else "-proof"
    arguments = [what, str(path), "-key", key, "-origin", origin or "", "-witness", witness or ""]
    done = subprocess.run([binary, *arguments], capture_output=True, text=True, timeout=120, check=False)
    return Checked(holds=done.returncode == 0, says=(done.stdout + done.stderr).strip())


@functools.cache
def _built() -> Path | str:
    """Build it, once a run; where it cannot be had, say why."""
    if _BINARY.exists() and all(file.stat().st_mtime <= _BINARY.stat().st_mtime for file in _SOURCE.iterdir()):
        return _BINARY
    if shutil.which("go") is None:
        return "the third-party check of exports is built with Go, which is not here"
    # `timeout` ends it with 124, so a proxy that does not answer skips too.
    download = ["timeout", "150", "go", "mod", "download"]
    had = subprocess.run(download, cwd=_SOURCE, env=_ENVIRONMENT, capture_output=True, text=True, check=False)
    if had.returncode:
        return f"the modules of the third-party check of exports cannot be had: {had.stderr.strip()[-300:]}"
    made = subprocess.run(["make", "tlog-check"], cwd=_ROOT, capture_output=True, text=True, timeout=170, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    return _BINARY
