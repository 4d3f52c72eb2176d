"""`yoyaku audit watch`, `forget`, `status` without a system, and with a state that is not one."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from yoyaku.audit_log.domain.watching import Believed, LogViolatedError, UnknownKeysError
from yoyaku.audit_log.entrypoints.cli import app
from yoyaku.audit_log.entrypoints.commands import watch
from yoyaku.audit_log.entrypoints.watching import Sight
from yoyaku.tlog.checkpoint import Checkpoint
from yoyaku.tlog.keys import SigningKey

ORIGIN = "audit.yoyaku/test/1"
KEY = SigningKey(ORIGIN, bytes(32))


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, arguments)
    return result.exit_code, result.output


@pytest.mark.parametrize("command", [("watch", "--once"), ("status",), ("forget", "person/1", "--yes")])
def test_nobody_there_is_one_line_and_exit_code_3(tmp_path: Path, command: tuple[str, ...]) -> None:
    code, told = run(*command, "--data", str(tmp_path))
    assert (code, told.startswith("error: ")) == (3, True)
    assert len(told.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "what"),
    [(("forget", "person/1"), "--yes"), (("forget", "", "--yes"), "1 to 200"), (("watch", "--every", "0"), "--every"),
     (("watch", "--once", "--state", "BROKEN"), "state file")],
)  # fmt: skip
def test_wrong_usage_is_told(tmp_path: Path, arguments: tuple[str, ...], what: str) -> None:
    broken = tmp_path / "broken"
    broken.write_text("{}")
    given = [str(broken) if one == "BROKEN" else one for one in arguments]
    code, told = run(*given, "--data", str(tmp_path))
    assert code == 2
    assert what in told
    assert broken.read_text() == "{}"


@pytest.mark.requirement("AU-02", "AU-05")
def test_a_violation_ends_the_watch_and_keeps_what_was_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Believed(ORIGIN, (KEY.verifier,), ())
    note = Checkpoint(ORIGIN, 3, bytes(32)).sign([KEY]).encode().decode()
    known = opened.extended(opened.of_log(note), ())
    looks: list[Any] = [Sight(known, 3, None), LogViolatedError("forked", "another root")]

    async def look(_: object) -> Sight:
        found = looks.pop(0)
        if isinstance(found, LogViolatedError):
            raise found
        assert isinstance(found, Sight)
        watch._write(tmp_path / watch.STATE, found.believed)
        return found

    monkeypatch.setattr(watch._Watcher, "_look", look)
    code, told = run("watch", "--every", "0.1", "--json", "--data", str(tmp_path))
    lines = told.splitlines()
    assert code == 1
    assert [json.loads(line)["outcome"] for line in lines[:2]] == ["consistent", "violated"]
    assert json.loads(lines[1])["kind"] == "forked"
    assert Believed.from_json((tmp_path / watch.STATE).read_text()) == known


def test_unknown_keys_have_a_word_and_an_exit_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def look(_: object) -> Sight:
        raise UnknownKeysError("signed by unknown keys")

    monkeypatch.setattr(watch._Watcher, "_look", look)
    code, told = run("watch", "--once", "--json", "--data", str(tmp_path))
    assert code == 4
    assert json.loads(told.splitlines()[0])["outcome"] == "unknown_keys"
    assert "violated" not in told
