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
