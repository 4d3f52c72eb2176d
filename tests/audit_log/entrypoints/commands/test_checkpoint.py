"""`yoyaku audit checkpoint --since`: a kept file is checked before the log is blamed."""

import pytest
import typer

from yoyaku.audit_log.entrypoints.commands.checkpoint import check_signed
from yoyaku.tlog.checkpoint import Checkpoint
from yoyaku.tlog.keys import SigningKey
from yoyaku.tlog.note import Note

KEY = SigningKey("audit.yoyaku/test/1", bytes(32))
OTHER = SigningKey("audit.yoyaku/test/1", b"\x01" * 32)
NOTE = Checkpoint(KEY.name, 3, bytes(32)).sign([KEY])


def test_a_note_that_the_log_signed_passes_in_every_epoch() -> None:
    assert check_signed(NOTE, [KEY.vkey], "kept")
    assert check_signed(NOTE, [KEY.named("audit.yoyaku/test/2").vkey], "kept")


def test_an_edited_file_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    edited = Note(NOTE.text.replace("\n3\n", "\n2\n"), NOTE.signatures)
    with pytest.raises(typer.Exit) as ended:
        check_signed(edited, [KEY.vkey], "kept")
    assert ended.value.exit_code == 2
    assert "the signature does not verify" in capsys.readouterr().err


def test_a_note_of_a_retired_key_is_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    assert not check_signed(NOTE, [OTHER.vkey], "kept")
    assert "retired" in capsys.readouterr().err
