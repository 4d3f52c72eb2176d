"""The command line finds its groups by entry point and loads only what it is asked for."""

import subprocess
import sys
from importlib.metadata import version

import pytest

FOR_PEOPLE = ("availability", "book", "cancel", "login", "logout", "move", "my", "rooms")
COMMANDS = ("audit", "backup", "booking", "bus", "demo", "security", "status", "trace", "up", *FOR_PEOPLE)


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
    for name in COMMANDS:
        assert f" {name} " in shown.stdout


@pytest.mark.parametrize("name", COMMANDS)
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


@pytest.mark.parametrize(
    ("typed", "meant"), [("stauts", "`yoyaku status`"), ("trase", "`yoyaku trace`"), ("bckup", "`yoyaku backup`")]
)
def test_a_misspelt_command_is_answered_with_the_one_that_was_meant(typed: str, meant: str) -> None:
    shown = yoyaku(typed)
    assert shown.returncode == 2
    assert typed in shown.stderr
    assert f"did you mean {meant}?" in shown.stderr


def test_the_version_is_told() -> None:
    shown = yoyaku("--version")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout == f"yoyaku {version('yoyaku-cli')}\n"


def test_what_libraries_log_below_error_is_not_for_a_command() -> None:
    program = (
        "import sys\nsys.argv = ['yoyaku', '--version']\nfrom yoyaku.cli.main import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "from loguru import logger\nlogger.warning('drains'); logger.error('broke')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert "drains" not in done.stderr
    assert "broke" in done.stderr
