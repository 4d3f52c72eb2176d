"""Sealed secrets open with the right key, under the right id, and not otherwise."""

import pytest

from yoyaku.booking.adapters.jwt.sealing import Seal, SealBrokenError, key_id


@pytest.mark.requirement("ID-08")
def test_sealed_and_opened() -> None:
    seal = Seal(b"k" * 32)
    pair = seal.make_pair()
    opened = seal.open(pair.key_id, pair.sealed_private_key)
    assert opened.public_key().public_bytes_raw() == pair.public_key
    assert opened.private_bytes_raw() not in pair.sealed_private_key
    assert seal.close(pair.key_id, opened) != pair.sealed_private_key
    assert "kkkk" not in repr(seal)


@pytest.mark.requirement("ID-08")
def test_another_key_another_id_or_an_altered_secret_does_not_open() -> None:
    seal = Seal(b"k" * 32)
    pair = seal.make_pair()
    altered = bytearray(pair.sealed_private_key)
    altered[-1] ^= 1
    for opener, under, sealed in (
        (Seal(b"x" * 32), pair.key_id, pair.sealed_private_key),
        (seal, seal.make_pair().key_id, pair.sealed_private_key),
        (seal, pair.key_id, bytes(altered)),
        (seal, pair.key_id, pair.sealed_private_key[:20]),
        (seal, pair.key_id, b""),
    ):
        with pytest.raises(SealBrokenError):
            opener.open(under, sealed)


@pytest.mark.requirement("ID-08")
def test_the_key_id_is_the_thumbprint_of_the_standards_example() -> None:
    """RFC 8037, appendix A.3."""
    public = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    assert key_id(public) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
