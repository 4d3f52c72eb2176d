"""Solve the workspace's dependencies into requirements.lock: versions and hashes, no address of any index.

Run by `make lock`. Yoyaku's own members are installed from the tree, so they are left out.
"""

import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def declared_requirements() -> list[str]:
    """Return what the members and the development group declare, without the members themselves."""
    root = tomllib.loads((ROOT / "pyproject.toml").read_text())
    requirements = set(root["dependency-groups"]["dev"])
    for file in sorted([*ROOT.glob("libs/*/pyproject.toml"), *ROOT.glob("services/*/pyproject.toml")]):
        requirements.update(tomllib.loads(file.read_text())["project"]["dependencies"])
    return sorted(r for r in requirements if not r.startswith("yoyaku-"))


def main() -> int:
    """Write requirements.lock; a version already locked stays unless `--upgrade` is given."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "requirements.in"
        source.write_text("\n".join(declared_requirements()) + "\n")
        command: list[str | Path] = [
            Path(sys.executable).parent / "uv",
            "pip",
            "compile",
            source,
            "-o",
            ROOT / "requirements.lock",
        ]
        options = ["--generate-hashes", "--universal", "--python-version", "3.11", "--no-annotate", "--quiet"]
        options += ["--custom-compile-command", "make lock", *sys.argv[1:]]
        return subprocess.run([*command, *options], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
