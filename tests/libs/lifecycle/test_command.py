"""The words a service's process answers to. Real services: tests/architecture/test_service_commands.py."""

import subprocess
import sys
from functools import partial

import pytest

from yoyaku.lifecycle.command import obey, usage_of

USAGE = usage_of("yoyaku.night_watch", does="watches")


def outcome(*arguments: str) -> list[str]:
    done: list[str] = []
    obey(arguments, usage=USAGE, serve=partial(done.append, "served"), migrate=partial(done.append, "migrated"))
    return done


def test_nothing_serves_and_migrate_migrates() -> None:
    assert outcome() == ["served"]
    assert outcome("migrate") == ["migrated"]


@pytest.mark.parametrize("word", ["-h", "--help"])
def test_help_is_printed(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome(word) == []
    assert capsys.readouterr().out == f"{USAGE}\n"
    assert "python -m yoyaku.night_watch [migrate]" in USAGE
    assert "watches, until SIGTERM" in USAGE
    assert "NIGHT_WATCH_..." in USAGE


@pytest.mark.parametrize("words", [["sing"], ["migrate", "now"], ["", ""]])
def test_anything_else_is_wrong_usage(words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        outcome(*words)
    assert ended.value.code == USAGE


def test_a_running_service_does_without_what_migrations_need() -> None:
    modules = "yoyaku.audit_log.wiring.service, yoyaku.lifecycle.command"
    program = f"import sys, {modules}; print({{'alembic', 'sqlalchemy'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "set()\n"
