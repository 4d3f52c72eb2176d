"""The command line finds its groups by entry point and loads only what it is asked for."""

import subprocess
import sys

import pytest


def yoyaku(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from yoyaku.cli.main import main; main()", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_help_lists_every_installed_group() -> None:
    shown = yoyaku("--help")
    assert shown.returncode == 0, shown.stderr
    for name in ("audit", "backup", "booking", "bus", "demo", "security", "status", "trace", "up"):
        assert f" {name} " in shown.stdout


@pytest.mark.parametrize("name", ["audit", "backup", "booking", "bus", "demo", "security", "status", "trace", "up"])
def test_each_command_explains_itself(name: str) -> None:
    shown = yoyaku(name, "--help")
    assert shown.returncode == 0, shown.stderr
    assert "Usage:" in shown.stdout


def test_an_unknown_command_is_named() -> None:
    shown = yoyaku("reserve")
    assert shown.returncode == 2
    assert "reserve" in shown.stderr


def test_a_named_command_loads_no_other_package() -> None:
    program = (
        "import sys\nfrom yoyaku.cli.main import app\n"
        "try: app(['bus', '--help'])\nexcept SystemExit: pass\n"
        "loaded = {'.'.join(m.split('.')[:2]) for m in sys.modules if m.startswith('yoyaku.')}\n"
        "print('LOADED', sorted(loaded), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert "yoyaku.messaging" in done.stderr
    for service in ("booking", "audit_log", "security_detector", "backup_coordinator"):
        assert f"yoyaku.{service}" not in done.stderr
