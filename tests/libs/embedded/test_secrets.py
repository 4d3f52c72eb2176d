import stat

import nkeys
import pytest

from yoyaku.embedded.secrets import SecretsFolder


@pytest.fixture
def secrets(tmp_path):
    return SecretsFolder(tmp_path / "secrets")


def test_a_secret_is_made_once_and_read_for_ever(secrets):
    first = secrets.password("booking_service").get_secret_value()
    assert len(first) >= 32
    assert SecretsFolder(secrets.folder).password("booking_service").get_secret_value() == first
    assert secrets.password("audit_service").get_secret_value() != first


def test_nobody_else_can_read_a_secret(secrets):
    files = [secrets.password_file("a"), secrets.nkey_seed_file("b"), secrets.key_encryption_key_file()]
    assert {stat.S_IMODE(file.stat().st_mode) for file in [*files, secrets.digest_key_file()]} == {0o600}
    assert stat.S_IMODE(secrets.folder.stat().st_mode) == 0o700


def test_a_folder_others_could_enter_is_closed(tmp_path):
    folder = tmp_path / "secrets"
    folder.mkdir(mode=0o755)
    SecretsFolder(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_public_nkey_belongs_to_the_seed(secrets):
    pair = nkeys.from_seed(bytearray(secrets.nkey_seed_file("booking").read_bytes().strip()))
    public = secrets.nkey_public("booking")
    assert public == pair.public_key.decode()
    assert public.startswith("U")


def test_keys_are_32_bytes_in_hexadecimal_and_each_its_own(secrets):
    files = [secrets.digest_key_file(), secrets.key_encryption_key_file()]
    keys = [bytes.fromhex(file.read_text().strip()) for file in files]
    assert [len(key) for key in keys] == [32, 32]
    assert keys[0] != keys[1]


def test_no_scratch_file_stays_behind(secrets):
    secrets.password("one")
    assert [file.name for file in secrets.folder.iterdir()] == ["one.password"]
