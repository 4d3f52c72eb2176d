"""A hint names the command that works where it is read."""

import sys
from pathlib import Path

import pytest

from yoyaku.cli.invocation import as_typed


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an environment with the program, which PATH does not have."""
    program = tmp_path / ".venv" / "bin" / "yoyaku"
    program.parent.mkdir(parents=True)
    program.touch(mode=0o755)
    monkeypatch.setattr(sys, "executable", str(program.with_name("python")))
    monkeypatch.setenv("PATH", str(tmp_path))
    return program


def test_on_path_it_is_just_the_name(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(installed.parent))
    assert as_typed() == "yoyaku"


def test_off_path_it_is_the_shortest_path_that_works(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert as_typed() == ".venv/bin/yoyaku"
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert as_typed() == str(installed)
