"""`yoyaku audit verify` and `check`, in this process: what they print, and their exit codes."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from yoyaku.audit_log.entrypoints.cli import app
from yoyaku.testkit.audit_exports import History, Signer, files_of, write_files

LOG = Signer("audit.yoyaku/test/1")
WITNESS = Signer("witness.yoyaku/test", kind=4)
TRUSTED = ("--key", LOG.vkey, "--witness", WITNESS.vkey)


@pytest.fixture
def history() -> History:
    history = History()
    for count in (5, 20):
        history.append(count)
        history.keep(LOG, WITNESS)
    return history


@pytest.fixture
def export(history: History, tmp_path: Path) -> Path:
    return write_files(tmp_path / "export", files_of(history))


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.mark.requirement("AU-03")
def test_a_whole_export_is_told_line_by_line(export: Path) -> None:
    done = run("verify", export, *TRUSTED, "--since", export / "checkpoints/5")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("WHOLE  audit.yoyaku/test/1\nentries:      25 of 25")
    assert f"cosigned:     4 by {WITNESS.vkey.rsplit('+', 1)[0]}\n" in done.stdout
    assert "--since" not in done.stdout


def test_a_damaged_export_names_the_entry_in_lines_and_in_json(export: Path) -> None:
    bundle = export / "tile/entries/000.p/25"
    bundle.write_bytes(bundle.read_bytes().replace(b"reservation/17", b"reservation/71"))
    done = run("verify", export, *TRUSTED)
    assert done.exit_code == 1
    assert done.stdout.startswith("DAMAGED  audit.yoyaku/test/1\nfirst bad:    entry 17: edited: ")
    told = json.loads(run("verify", export, *TRUSTED, "--json").stdout)
    assert (told["whole"], told["first"]["first"], told["first"]["kind"]) == (False, 17, "edited")
    assert told["origin"] == "audit.yoyaku/test/1"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--key", "nonsense"), "not a verifier key"),
        (("--key", WITNESS.vkey), "where a log's key"),
        (("--key", Signer("audit.yoyaku/[/red]/1").vkey), "the keys are of ['audit.yoyaku/[/red]/1']"),
        ((*TRUSTED, "--since", "nowhere"), "nowhere: no such file"),
        ((*TRUSTED, "--since", __file__), "test_verify.py: not a checkpoint"),
        ((*TRUSTED, "--tolerance", "-1"), "greater than or equal to 0"),
        ((), "no --key: whom do you trust? The log's keys are told by `yoyaku audit keys list`"),
    ],
)
def test_what_cannot_be_used_is_said_and_exits_with_2(arguments: tuple[str, ...], words: str, export: Path) -> None:
    done = run("verify", export, *arguments)
    assert done.exit_code == 2, done.output
    assert words in done.stderr
    assert done.stdout == ""


def test_the_wrong_one_of_the_two_commands_names_the_other(export: Path) -> None:
    for command, path, other in (("verify", export / "checkpoint", "audit check"), ("check", export, "audit verify")):
        done = run(command, path, *TRUSTED)
        assert (done.exit_code, done.stdout) == (2, "")
        assert other in done.stderr


def test_a_folder_that_is_no_export_exits_with_2(tmp_path: Path) -> None:
    done = run("verify", tmp_path, *TRUSTED)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == "error: checkpoint: no such file; is this the folder of an export?\n"


@pytest.mark.requirement("AU-03")
def test_a_proof_is_checked_and_its_entry_printed(history: History, tmp_path: Path) -> None:
    file = tmp_path / "entry.tlog-proof"
    file.write_bytes(history.proof_file(17, 25))
    done = run("check", file, *TRUSTED)
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("PROVEN  entry 17 of audit.yoyaku/test/1\n")
    assert 'subject:      "reservation/17"\n' in done.stdout
    entry = json.loads(history.leaves[17])
    assert f'correlation:  "{entry["correlation_id"]}"\n' in done.stdout
    assert f"body:         {json.dumps(entry['body'])}\n" in done.stdout
    assert re.search(r"^cosigned:     20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ by witness.yoyaku/test", done.stdout, re.M)
    assert json.loads(run("check", file, *TRUSTED, "--json").stdout)["entry"] == json.loads(history.leaves[17])
    assert run("check", file, *TRUSTED, "--entry-only").stdout == history.leaves[17].decode() + "\n"


def test_a_proof_that_proves_nothing_exits_with_1(history: History, tmp_path: Path) -> None:
    file = tmp_path / "entry.tlog-proof"
    file.write_bytes(history.proof_file(17, 25).replace(b"index 17", b"index 16"))
    done = run("check", file, *TRUSTED)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("error: the entry is not in the signed tree")


def test_a_witness_whom_no_checkpoint_names_is_wrong_usage(export: Path) -> None:
    stranger = Signer("witness.example/w1", kind=4, seed=3)
    done = run("verify", export, "--key", LOG.vkey, "--witness", stranger.vkey)
    assert done.exit_code == 2
    assert "no checkpoint in this folder names witness.example/w1+" in done.stderr
    assert run("verify", export, *TRUSTED, "--witness", stranger.vkey).exit_code == 0
