"""`yoyaku security` reads well and costs nothing to load."""

import subprocess
import sys

from typer.testing import CliRunner

from yoyaku.security_detector.entrypoints.cli import app


def test_the_help_names_each_command() -> None:
    shown = CliRunner().invoke(app, ["--help"])
    assert shown.exit_code == 0
    for name in ("blocks", "witness", "serve", "migrate"):
        assert name in shown.output


def test_it_loads_no_heavy_package() -> None:
    code = (
        "import sys, yoyaku.security_detector.entrypoints.cli;"
        "print(*sorted({'nats', 'asyncpg', 'faststream', 'alembic', 'opentelemetry'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=True, text=True)
    assert done.stdout.strip() == ""
