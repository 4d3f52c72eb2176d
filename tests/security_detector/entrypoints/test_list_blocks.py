"""`yoyaku security blocks` finds the database by itself, and says what to do when it cannot."""

import json
from pathlib import Path

import pytest

from yoyaku.security_detector.entrypoints.list_blocks import DATABASE, ROLE, NotConfiguredError, settings_for


def test_where_the_database_is_comes_from_the_environment_or_the_data_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NotConfiguredError, match="start one with `yoyaku up`"):
        settings_for(tmp_path)
    file = tmp_path / "connection.json"
    file.write_text("{}")
    with pytest.raises(NotConfiguredError, match="does not say"):
        settings_for(tmp_path)
    password_file = tmp_path / "password"
    told = {"postgres_host": "127.0.0.1", "postgres_port": 7, "password_files": {ROLE: str(password_file)}}
    file.write_text(json.dumps(told))
    found = settings_for(tmp_path).database
    assert (found.port, found.database, found.user, found.password_file) == (7, DATABASE, ROLE, password_file)
    monkeypatch.setenv("SECURITY_DETECTOR_DATABASE__PORT", "8")
    with pytest.raises(NotConfiguredError, match="SECURITY_DETECTOR_DATABASE__USER: missing"):
        settings_for(tmp_path)
    monkeypatch.setenv("SECURITY_DETECTOR_DATABASE__DATABASE", "elsewhere")
    monkeypatch.setenv("SECURITY_DETECTOR_DATABASE__USER", "somebody")
    assert settings_for(tmp_path).database.port == 8
