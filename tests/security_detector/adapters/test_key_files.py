from pathlib import Path

import pytest

from yoyaku.security_detector.adapters.key_files import FollowedKeys, KeyFileError, read_public_keys, read_seeds
from yoyaku.testkit.replicas import secret_file


def test_keys_are_read_one_a_line(tmp_path: Path) -> None:
    path = secret_file(tmp_path / "keys", f"{'01' * 32}\n\n{'Ab' * 32}")
    assert read_seeds(path) == read_public_keys(path) == [b"\x01" * 32, b"\xab" * 32]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "holds 0 keys"),
        (f"{'01' * 32}\n" * 17, "holds 17 keys"),
        (f"{'01' * 32}\n{'01' * 31}\n", "line 2: not 32 bytes"),
        ("private", "line 1: not 32 bytes"),
        ("é", "other bytes than hexadecimal"),
    ],
)
def test_what_is_no_file_of_keys_is_named_and_not_shown(tmp_path: Path, text: str, says: str) -> None:
    path = secret_file(tmp_path / "keys", text)
    with pytest.raises(KeyFileError, match=says) as refused:
        read_seeds(path)
    assert "0101" not in str(refused.value)


def test_private_keys_are_for_the_owner_alone(tmp_path: Path) -> None:
    path = secret_file(tmp_path / "keys", "01" * 32)
    path.chmod(0o640)
    assert read_public_keys(path)
    with pytest.raises(KeyFileError, match="must be mode 0600"):
        read_seeds(path)
    with pytest.raises(KeyFileError, match="No such file"):
        read_seeds(tmp_path / "none")


def test_keys_that_rotate_are_followed_and_kept_when_the_file_is_damaged(tmp_path: Path) -> None:
    path = secret_file(tmp_path / "keys", "01" * 32)
    keys = FollowedKeys(path, read_seeds)
    assert keys() == [b"\x01" * 32]
    path.write_text(f"{'01' * 32}\n{'02' * 32}\n")
    assert keys() == [b"\x01" * 32, b"\x02" * 32]
    path.write_text("damaged")
    assert keys() == [b"\x01" * 32, b"\x02" * 32]
    path.unlink()
    assert keys() == [b"\x01" * 32, b"\x02" * 32]
    secret_file(path, "02" * 32)
    assert keys() == [b"\x02" * 32]
