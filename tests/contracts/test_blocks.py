"""Equal things blocked have equal keys; values survive the bucket."""

import base64
from datetime import UTC, datetime

import pytest

from yoyaku.contracts.blocks import BlockKind, BlockValue, InvalidBlockError, kv_key

pytestmark = pytest.mark.requirement("SD-03")

BLOCK = BlockValue(
    kind=BlockKind.ADDRESS,
    value="203.0.113.9",
    until=datetime(2026, 11, 23, 9, 35, tzinfo=UTC),
    reason="failed-sign-ins-per-address",
    rule="failed-sign-ins-per-address",
    incident_id="i",
    block_id="b",
)


def test_a_key_is_unpadded_base64url_of_kind_and_value() -> None:
    key = kv_key("address", "203.0.113.9")
    assert "=" not in key
    assert base64.urlsafe_b64decode(key + "=" * (-len(key) % 4)) == b"address:203.0.113.9"


def test_two_writings_of_an_address_have_one_key() -> None:
    assert kv_key("address", "::ffff:203.0.113.9") == kv_key("address", "203.0.113.9")
    assert kv_key("address", "2001:DB8::1") == kv_key("address", "2001:db8:0::1")
    assert kv_key("session", "2001:DB8::1") != kv_key("session", "2001:db8::1")


def test_a_block_survives_the_bucket_and_may_have_grown() -> None:
    assert BlockValue.from_bytes(BLOCK.to_bytes()) == BLOCK
    assert BlockValue.from_bytes(BLOCK.to_bytes()[:-1] + b',"later":1}') == BLOCK


@pytest.mark.parametrize("data", [b"", b"{}", b"null", BLOCK.to_bytes().replace(b"address", b"planet", 1)])
def test_what_is_no_block_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidBlockError):
        BlockValue.from_bytes(data)
