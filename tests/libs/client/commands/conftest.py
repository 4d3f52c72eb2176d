"""The commands, run in this process against the gateway in memory."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from yoyaku.cli.main import app
from yoyaku.client import Client
from yoyaku.client.commands import running
from yoyaku.client.retrying import Patience

ROOM = {
    "id": 1,
    "name": "Sakura",
    "site": "Tokyo",
    "capacity": 8,
    "time_zone": "Asia/Tokyo",
    "features": ["projector"],
    "active": True,
    "version": 3,
}
OFFER = {
    "room_id": 1,
    "room_name": "Sakura",
    "starts_at": "2026-12-01T02:00:00Z",
    "ends_at": "2026-12-01T03:30:00Z",
    "starts_at_local": "2026-12-01T11:00:00+09:00",
    "ends_at_local": "2026-12-01T12:30:00+09:00",
    "kind": "same-room",
}
BOOKED = {
    "id": "0190c7c4-0000-7000-8000-00000000abcd",
    "room_id": 1,
    "person_id": "p",
    "title": "Weekly",
    "status": "confirmed",
    "starts_at": "2036-12-01T00:00:00Z",
    "ends_at": "2036-12-01T01:00:00Z",
    "starts_at_local": "2036-12-01T09:00:00+09:00",
    "ends_at_local": "2036-12-01T10:00:00+09:00",
    "time_zone": "Asia/Tokyo",
    "version": 5,
}


@dataclass
class Terminal:
    """Types commands. `bench` is the gateway; what it answers is put into `bench.double.canned`."""

    bench: Any
    folder: Path

    def types(self, *words: str, given: str | None = None) -> Result:
        return CliRunner().invoke(app, list(words), input=given, env={"XDG_CONFIG_HOME": str(self.folder)})

    def signs_in(self) -> None:
        assert self.types("login", "hanako", "--password-file", "-", given=self.bench.password).exit_code == 0
        self.bench.double.requests.clear()

    def answers(self, method: str, path: str, body: Any, status: int = 200, **headers: str) -> None:
        self.bench.double.canned[method, path] = httpx.Response(status, json=body, headers=headers)


@pytest.fixture
def terminal(bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setattr(
        running, "Client", partial(Client, transport=bench.double, patience=Patience(sleep=bench.clock.sleep))
    )
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("YOYAKU_URL", bench.url)
    made = Terminal(bench, tmp_path)
    made.answers("GET", "/rooms", {"items": [ROOM, ROOM | {"id": 2, "name": "Old", "active": False}]})
    made.answers("GET", "/rooms/1", ROOM)
    return made


@pytest.fixture
def samples() -> Callable[[str], dict[str, Any]]:
    return lambda name: dict({"room": ROOM, "offer": OFFER, "booked": BOOKED}[name])
