"""Denials as they stand in the bucket."""

import base64
from datetime import UTC, datetime

import pytest

from yoyaku.contracts.denials import DenialKind, DenialValue, InvalidDenialError, denial_key

pytestmark = pytest.mark.requirement("ID-04")

MOMENT = datetime(2026, 11, 23, 9, 35, tzinfo=UTC)
DENIAL = DenialValue(kind=DenialKind.PERSON, value="p", not_before=MOMENT, until=MOMENT)


def test_the_key_is_unpadded_base64url() -> None:
    key = denial_key("person", "p")
    assert "=" not in key
    assert base64.urlsafe_b64decode(key + "=" * (-len(key) % 4)) == b"person:p"
    assert denial_key("session", "p") != key


def test_a_denial_survives_the_bucket_and_may_have_grown() -> None:
    assert DenialValue.from_bytes(DENIAL.to_bytes()) == DENIAL
    assert DenialValue.from_bytes(DENIAL.to_bytes()[:-1] + b',"later":1}') == DENIAL


@pytest.mark.parametrize("data", [b"", b"{}", b"null", DENIAL.to_bytes().replace(b"person", b"planet", 1)])
def test_what_is_no_denial_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidDenialError):
        DenialValue.from_bytes(data)
