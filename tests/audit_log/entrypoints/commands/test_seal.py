"""`yoyaku audit seal` and `segments`, against an audit log that answers as told."""

import json
from contextlib import asynccontextmanager
from typing import Any

import pytest
from typer.testing import CliRunner

from yoyaku.audit_log.entrypoints.cli import app
from yoyaku.audit_log.entrypoints.commands import asking, seal
from yoyaku.contracts.rpc import AuditLogSealReply, AuditLogSegment, AuditLogSegmentsReply
from yoyaku.messaging.rpc import RpcFailedError

DONE = AuditLogSealReply(
    is_running=False, sealed=("2027-01",), dropped=("2027-01",), waiting=("2027-02: no kept checkpoint",)
)


class Answers:
    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[Any] = []

    async def ask(self, subject: str, question: Any, reply: Any, **_: Any) -> Any:
        self.asked.append(question)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def run(monkeypatch: pytest.MonkeyPatch, answers: Answers, *arguments: str) -> Any:
    @asynccontextmanager
    async def audit_log_of(_: object) -> Any:
        yield answers

    monkeypatch.setattr(asking, "audit_log_of", audit_log_of)
    monkeypatch.setattr(seal, "PAUSE_SECONDS", 0.0)
    return CliRunner().invoke(app, arguments)


def test_seal_asks_until_a_leader_is_done_and_says_what_happened(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Answers(RpcFailedError("not_leading", "a standby"), AuditLogSealReply(is_running=True), DONE)
    result = run(monkeypatch, answers, "seal", "--month", "2027-01")
    assert result.exit_code == 0
    for line in ("2027-01  sealed", "2027-01  left the database", "2027-02: no kept checkpoint"):
        assert line in result.stdout
    assert answers.asked[-1].last_month == "2027-01"


def test_seal_has_json_and_a_problem_is_exit_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Answers(AuditLogSealReply(is_running=False, problem="the store is away"))
    result = run(monkeypatch, answers, "seal", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["problem"] == "the store is away"
    assert "the store is away" in result.stderr


def test_nothing_to_seal_is_said_and_a_leader_that_never_answers_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "nothing to seal" in run(monkeypatch, Answers(AuditLogSealReply(is_running=False)), "seal").stdout
    nobody = Answers(*(RpcFailedError("not_leading", "nobody leads") for _ in range(seal.TRIES)))
    assert run(monkeypatch, nobody, "seal").exit_code == 1


@pytest.mark.parametrize("month", ["2027", "2027-13", "january"])
def test_a_month_that_is_none_is_wrong_usage(monkeypatch: pytest.MonkeyPatch, month: str) -> None:
    result = run(monkeypatch, Answers(), "seal", "--month", month)
    assert result.exit_code == 2
    assert "a month is written like 2026-11" in result.stderr


def test_segments_are_listed_for_people_and_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    one = AuditLogSegment.model_validate(
        {
            "month": "2027-01", "epoch": 1, "first_position": 0, "entry_count": 3, "checkpoint_size": 4,
            "stored_bytes": 500, "sealed_at": "2027-02-01T01:00:00Z", "deleted_at": "2034-02-01T01:00:00Z",
        }
    )  # fmt: skip
    reply = AuditLogSegmentsReply(segments=(one,))
    told = run(monkeypatch, Answers(reply), "segments").stdout
    assert "2027-01" in told
    assert "deleted 2034-02-01" in told
    assert json.loads(run(monkeypatch, Answers(reply), "segments", "--json").stdout)["segments"][0]["entry_count"] == 3
    assert "no month is sealed yet" in run(monkeypatch, Answers(AuditLogSegmentsReply(segments=())), "segments").stderr
