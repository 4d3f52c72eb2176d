"""Questions are strict, answers tolerant, subjects in the pattern of the bus."""

import re

import pytest
from pydantic import ValidationError

from yoyaku.contracts.rpc import RPCS, AuditLogSearchRequest, BackupRunRequest, RpcError
from yoyaku.contracts.subjects import wake_subject


def test_subjects_name_the_service_that_answers() -> None:
    for subject, rpc in RPCS.items():
        assert re.fullmatch(rf"rpc\.{rpc.service}\.[a-z-]+\.v\d+", subject)
        assert rpc.subject == subject


def test_a_question_refuses_what_it_does_not_know() -> None:
    with pytest.raises(ValidationError):
        BackupRunRequest.model_validate({"requested_by": "operator", "wipe": True})
    with pytest.raises(ValidationError):
        AuditLogSearchRequest(requested_by="operator", limit=501)


def test_an_answer_ignores_what_it_does_not_know() -> None:
    error = RpcError.model_validate_json(b'{"code":"busy","detail":"a run is under way","retry_after":3}')
    assert error == RpcError(code="busy", detail="a run is under way")


@pytest.mark.requirement("EV-03")
def test_relays_of_a_service_listen_to_one_subject() -> None:
    assert wake_subject("booking") == "wake.outbox.booking"


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
def test_a_moment_that_utc_cannot_hold_is_refused_by_its_field(text: str) -> None:
    with pytest.raises(ValidationError, match="years 1 to 9999") as refused:
        AuditLogSearchRequest.model_validate_json(f'{{"requested_by": "operator", "occurred_from": "{text}"}}')
    assert refused.value.errors()[0]["loc"] == ("occurred_from",)
