from datetime import UTC, datetime, timedelta

import pytest

from yoyaku.booking.domain.blocklist import Block, Blocklist, normal_address

NOW = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.mark.requirement("SD-03")
def test_a_block_ends_by_the_clock() -> None:
    blocks = Blocklist()
    blocks.put(Block("k", "203.0.113.9", NOW + timedelta(seconds=10)))
    assert blocks.blocked_until("203.0.113.9", NOW) == NOW + timedelta(seconds=10)
    assert blocks.blocked_until("203.0.113.8", NOW) is None
    assert blocks.blocked_until("203.0.113.9", NOW + timedelta(seconds=10)) is None
    assert len(blocks) == 0


def test_a_replaced_and_a_dropped_block() -> None:
    blocks = Blocklist()
    blocks.put(Block("k", "203.0.113.9", NOW + timedelta(seconds=10)))
    blocks.put(Block("k", "203.0.113.10", NOW + timedelta(seconds=10)))
    assert blocks.blocked_until("203.0.113.9", NOW) is None
    assert blocks.blocked_until("203.0.113.10", NOW) is not None
    blocks.drop("k")
    blocks.drop("k")
    assert blocks.keys() == frozenset()
    assert blocks.blocked_until("203.0.113.10", NOW) is None


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("::ffff:127.0.0.2", "127.0.0.2"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("not an address", "not an address"),
    ],
)
def test_one_spelling(written: str, normal: str) -> None:
    assert normal_address(written) == normal
