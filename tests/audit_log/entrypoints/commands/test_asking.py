"""What the commands of the audit log say beside their output."""

import shlex

import pytest
import typer

from yoyaku.audit_log.entrypoints.commands.asking import fail, tell, trusting

ODD = "a[/x]b export[old] [red]:smile:"


def test_what_came_from_outside_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit):
        fail(ODD, 1)
    tell(ODD, style="yellow")
    assert capsys.readouterr().err == f"error: {ODD}\n{ODD}\n"


def test_the_keys_stand_in_the_next_command_as_a_shell_takes_them() -> None:
    words = shlex.split(trusting(["log/1+0a+AQ==", "a log+1+B"], ["w+2+C"]))
    assert words == ["--key", "log/1+0a+AQ==", "--key", "a log+1+B", "--witness", "w+2+C"]
    assert trusting([], []) == "--key VKEY"
