import stat

import nkeys
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

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
    files = [secrets.password_file("a"), secrets.nkey_seed_file("b"), secrets.jwt_private_key_file()]
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


def test_the_signing_key_is_an_ed25519_key(secrets):
    key = load_pem_private_key(secrets.jwt_private_key_file().read_bytes(), password=None)
    assert isinstance(key, Ed25519PrivateKey)


def test_the_digest_key_is_32_bytes_in_hexadecimal(secrets):
    assert len(bytes.fromhex(secrets.digest_key_file().read_text().strip())) == 32


def test_no_scratch_file_stays_behind(secrets):
    secrets.password("one")
    assert [file.name for file in secrets.folder.iterdir()] == ["one.password"]
