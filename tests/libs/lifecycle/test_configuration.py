"""What a person reads when a variable is missing or wrong; real services: test_service_commands.py."""

import pytest
from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from yoyaku.lifecycle.configuration import NotConfiguredError, load, read
from yoyaku.messaging.settings import NatsSettings
from yoyaku.postgres.settings import PostgresSettings

CONFIG = SettingsConfigDict(env_prefix="NIGHT_WATCH_", env_nested_delimiter="__", frozen=True, extra="ignore")


class Watch(BaseSettings):
    model_config = CONFIG

    database: PostgresSettings
    nats: NatsSettings
    hours: int = Field(default=8, ge=1)


class Guarded(BaseSettings):
    model_config = CONFIG

    token: SecretStr = Field(min_length=20)
    key: str = ""

    @model_validator(mode="after")
    def _key_is_long(self) -> "Guarded":
        if len(self.key) < 3:
            raise ValueError("the key is too short")
        return self


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("NIGHT_WATCH_DATABASE__DATABASE", "watch")
    monkeypatch.setenv("NIGHT_WATCH_DATABASE__USER", "watch_service")
    monkeypatch.setenv("NIGHT_WATCH_NATS__URL", "nats://127.0.0.1:4222")
    return monkeypatch


def problems(kind: type[BaseSettings]) -> tuple[str, ...]:
    with pytest.raises(NotConfiguredError) as refused:
        read(kind)
    return refused.value.problems


def test_what_is_set_is_loaded() -> None:
    assert load(Watch).database.user == "watch_service"


def test_each_missing_variable_has_a_line(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("NIGHT_WATCH_DATABASE__USER")
    environment.delenv("NIGHT_WATCH_NATS__URL")
    assert problems(Watch) == ("NIGHT_WATCH_DATABASE__USER: missing", "NIGHT_WATCH_NATS__URL: missing")


def test_a_part_that_is_missing_as_a_whole_is_told_by_what_it_needs(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("NIGHT_WATCH_DATABASE__USER")
    environment.delenv("NIGHT_WATCH_DATABASE__DATABASE")
    assert problems(Watch) == ("NIGHT_WATCH_DATABASE__DATABASE: missing", "NIGHT_WATCH_DATABASE__USER: missing")


def test_a_wrong_value_is_told_by_what_it_should_be(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("NIGHT_WATCH_HOURS", "0")
    environment.setenv("NIGHT_WATCH_DATABASE__PORT", "door")
    [port, hours] = problems(Watch)
    assert port.startswith("NIGHT_WATCH_DATABASE__PORT: Input should be a valid integer")
    assert hours == "NIGHT_WATCH_HOURS: Input should be greater than or equal to 1"


@pytest.mark.requirement("SEC-03")
def test_no_value_is_ever_told(environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    environment.setenv("NIGHT_WATCH_TOKEN", "hunter2")
    environment.setenv("NIGHT_WATCH_DATABASE", "{hunter2")
    for kind in (Guarded, Watch):
        with pytest.raises(SystemExit) as ended:
            load(kind)
        assert ended.value.code == 2
    told = capsys.readouterr()
    assert "NIGHT_WATCH_TOKEN: " in told.err
    assert "hunter2" not in told.err + told.out
    assert all(line.startswith("error: NIGHT_WATCH_") for line in told.err.splitlines())


def test_a_rule_about_the_whole_is_told_in_its_own_words(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("NIGHT_WATCH_TOKEN", "x" * 20)
    assert problems(Guarded) == ("NIGHT_WATCH_...: the key is too short",)
