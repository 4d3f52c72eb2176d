"""The log's signing keys: their file, their rotation, the commands."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from yoyaku.audit_log.adapters.key_files import KeyFileError, read_key
from yoyaku.audit_log.adapters.signing_keys import SigningKeysFile
from yoyaku.audit_log.entrypoints.cli import app
from yoyaku.audit_log.entrypoints.commands.keys import why_not_retired
from yoyaku.contracts.rpc import AuditLogCheckpointReply, AuditLogStatusReply, CosignedReply
from yoyaku.tlog.checkpoint import Checkpoint
from yoyaku.tlog.keys import SigningKey, VerifierKey

ORIGIN = "audit.yoyaku/development/1"
SECOND = "audit.yoyaku/development/2"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "signing.keys"
    path.touch(mode=0o600)
    path.write_text("01" * 32 + "\n")
    return path


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["keys", *arguments])
    return result.exit_code, result.output


@pytest.mark.requirement("AU-02")
def test_keys_rotate_with_overlap_and_without_a_restart(file: Path) -> None:
    running = SigningKeysFile(file)
    old = SigningKey(ORIGIN, b"\x01" * 32)
    assert running.of(ORIGIN) == [old]
    code, added = run("new", "--file", str(file))
    new = VerifierKey.parse(added.splitlines()[0])
    assert "witness's own file" in added
    assert code == 0
    assert file.stat().st_mode & 0o777 == 0o600
    assert [key.verifier for key in running.of(ORIGIN)] == [old.verifier, new]
    witness = "witness keys: yoyaku security witness\n"
    assert run("list", "--file", str(file)) == (0, f"{old.vkey}\n{new.vkey}\n{witness}")
    retire = ("retire", f"{old.verifier.key_id:08x}", "--file", str(file), "--data", str(file.parent))
    assert run(*retire)[0] == 3  # nobody can say whether the witness knows the new one
    assert running.of(ORIGIN)[0] == old
    assert run(*retire, "--force") == (0, f"{old.vkey}\n")
    assert run("list", "--file", str(file)) == (0, f"{new.vkey}\n{old.vkey}  retired\n{witness}")
    told = json.loads(run("list", "--file", str(file), "--json")[1])
    assert told == {"signing": [new.vkey], "retired": [old.vkey]}
    assert [key.verifier for key in running.of(ORIGIN)] == [new]
    assert running.verifiers(ORIGIN) == [new, old.verifier]  # what the retired one signed stays valid
    assert running.verifiers("audit.yoyaku/development/2")[1].name == "audit.yoyaku/development/2"
    file.write_text("broken")
    assert [key.verifier for key in running.of(ORIGIN)] == [new]


@pytest.mark.requirement("AU-02")
def test_the_public_keys_of_the_witness_follow(file: Path) -> None:
    public = file.with_name("signing.pub")
    public.write_text("")
    public.chmod(0o640)
    code, added = run("new", "--file", str(file))
    old, new = SigningKey(ORIGIN, b"\x01" * 32).verifier, VerifierKey.parse(added)
    assert code == 0
    assert public.read_text() == f"{old.public_key.hex()}\n{new.public_key.hex()}\n"
    assert run("retire", f"{old.key_id:08x}", "--file", str(file), "--force")[0] == 0
    assert public.read_text() == f"{new.public_key.hex()}\n"
    assert public.stat().st_mode & 0o777 == 0o640


class Running:
    """A log and its witness that were asked."""

    def __init__(self, note: str | None, *, witnessed: bool = True) -> None:
        self.note, self.witnessed = note, witnessed

    async def ask(self, subject: str, question: Any, reply: type[Any], *, within_seconds: float = 1) -> Any:
        if reply is AuditLogStatusReply:
            keys = ("witness",) if self.witnessed else ()
            return AuditLogStatusReply(
                next_position=1, epoch=2, origin=SECOND, verifier_keys=(), witness_keys=keys, checkpoint_size=1,
                cosigned_size=1, parts={},
            )  # fmt: skip
        if reply is CosignedReply:
            assert (self.witnessed, question.origin) == (True, SECOND)
            return CosignedReply(note=self.note)
        assert not self.witnessed
        return AuditLogCheckpointReply(epoch=2, origin=SECOND, size=1, note=self.note or "")


@pytest.mark.requirement("AU-02")
@pytest.mark.parametrize("witnessed", [True, False])
async def test_a_key_goes_once_another_one_is_cosigned(*, witnessed: bool) -> None:
    old, new = SigningKey(SECOND, b"\x01" * 32), SigningKey(SECOND, b"\x02" * 32)
    staying = [SigningKey(ORIGIN, b"\x02" * 32).verifier]
    by_old = Checkpoint(SECOND, 1, bytes(32)).sign([old]).encode().decode()
    by_both = Checkpoint(SECOND, 1, bytes(32)).sign([old, new]).encode().decode()
    assert "no signature" in (await why_not_retired(Running(by_old, witnessed=witnessed), staying) or "")
    assert await why_not_retired(Running(by_both, witnessed=witnessed), staying) is None


async def test_no_key_goes_before_the_witness_cosigned_anything() -> None:
    assert "nothing" in (await why_not_retired(Running(None), [SigningKey(ORIGIN, b"\x02" * 32).verifier]) or "")


@pytest.mark.parametrize("arguments", [["retire", "00000000"], ["retire", "ID"]])
def test_the_only_key_and_an_unknown_one_are_not_retired(file: Path, arguments: list[str]) -> None:
    own = f"{SigningKey(ORIGIN, b'%c' % 1 * 32).verifier.key_id:08x}"
    given = [own if word == "ID" else word for word in arguments]
    code, told = run(*given, "--file", str(file))
    assert code == 1
    assert told.startswith("error: ")
    assert file.read_text() == "01" * 32 + "\n"


@pytest.mark.parametrize(
    ("text", "mode", "what"),
    [("", 0o600, "1 to 16 keys"), ("zz" * 32, 0o600, "line 1"), ("01" * 31, 0o600, "line 1"),
     ("01" * 32 + "\n" + "01" * 32, 0o600, "twice"), ("01" * 32, 0o644, "0600"), ("\xff", 0o600, "not ASCII"),
     (" ".join(["01"] * 32), 0o600, "line 1"), (None, 0o600, "No such file")],
)  # fmt: skip
def test_a_file_that_cannot_be_used_is_named_with_the_reason(
    tmp_path: Path, text: str | None, mode: int, what: str
) -> None:
    path = tmp_path / "keys"
    if text is not None:
        path.write_bytes(text.encode("latin-1"))
        path.chmod(mode)
    with pytest.raises(KeyFileError, match=what) as refused:
        SigningKeysFile(path)
    assert str(path) in str(refused.value)
    assert "0101" not in str(refused.value)
    code, told = run("list", "--file", str(path))
    assert (code, told.startswith("error: ")) == (2, True)


def test_a_key_file_has_one_key(file: Path) -> None:
    assert read_key(file, "master key") == b"\x01" * 32
    file.write_text("01" * 33)
    with pytest.raises(KeyFileError, match="master key"):
        read_key(file, "master key")
