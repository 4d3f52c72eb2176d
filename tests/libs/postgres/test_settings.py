"""Settings: secrets stay secret, limits reach the server."""

import pytest
from pydantic import SecretStr, ValidationError

from yoyaku.postgres import PostgresSettings, connected_pool
from yoyaku.postgres.errors import PasswordFileError


def settings(**values) -> PostgresSettings:
    return PostgresSettings.model_validate({"database": "booking", "user": "booking_service", **values})


@pytest.mark.requirement("OB-03")
def test_the_password_is_in_no_text_of_the_settings() -> None:
    made = settings(password="hunter2")
    assert made.read_password() == "hunter2"
    for text in (repr(made), str(made), made.model_dump_json(), made.dsn_for_logs()):
        assert "hunter2" not in text
    assert made.dsn_for_logs() == "postgresql://booking_service@127.0.0.1:5432/booking"


def test_a_password_file_must_be_private_and_is_read_anew(tmp_path) -> None:
    file = tmp_path / "password"
    file.write_text("first\n")
    made = settings(password_file=file)
    file.chmod(0o640)
    with pytest.raises(PasswordFileError, match="0600"):
        made.read_password()
    file.chmod(0o600)
    assert made.read_password() == "first"
    file.write_text("second\n")
    assert made.read_password() == "second"
    file.unlink()
    with pytest.raises(PasswordFileError, match="No such file"):
        made.read_password()


def test_contradictions_are_refused(tmp_path) -> None:
    with pytest.raises(ValidationError, match="exclude each other"):
        settings(password="x", password_file=tmp_path / "p")
    with pytest.raises(ValidationError, match="pool_min"):
        settings(pool_min=3, pool_max=2)
    with pytest.raises(ValidationError, match="extra"):
        settings(pasword="x")


async def test_limits_reach_the_session(cluster) -> None:
    made = cluster.of(
        "alpha_service",
        statement_timeout_seconds=1.5,
        lock_timeout_seconds=0.25,
        idle_in_transaction_timeout_seconds=7,
        transaction_timeout_seconds=9,
    )
    async with connected_pool(made, application_name="limits") as pool:
        shown = {
            name: await pool.fetchval(f"SHOW {name}")
            for name in (
                "statement_timeout",
                "lock_timeout",
                "idle_in_transaction_session_timeout",
                "transaction_timeout",
                "timezone",
                "application_name",
            )
        }
    assert list(shown.values()) == ["1500ms", "250ms", "7s", "9s", "UTC", "limits"]


async def test_a_rotated_password_file_is_used_by_the_next_connection(cluster, tmp_path) -> None:
    file = tmp_path / "password"
    file.write_text(cluster.passwords["alpha_service"])
    file.chmod(0o600)
    made = cluster.of("alpha_service", password=None, password_file=file, pool_min=1, pool_max=2)
    async with connected_pool(made, application_name="rotation") as pool:
        owner = await cluster.connect("alpha_service")
        await owner.execute("ALTER ROLE alpha_service PASSWORD 'rotated-password'")
        await owner.close()
        file.write_text("rotated-password")
        await pool.expire_connections()
        assert await pool.fetchval("SELECT 1") == 1


def test_secret_str_is_accepted() -> None:
    assert settings(password=SecretStr("x")).read_password() == "x"
