"""What the settings refuse."""

import pytest
from pydantic import ValidationError

from yoyaku.audit_log.settings import OutsideWitnessSettings
from yoyaku.tlog.keys import Algorithm, SigningKey

WITNESS = SigningKey("witness.example/w1", b"\x04" * 32, Algorithm.COSIGNATURE_V1).vkey
LOG = SigningKey("log.example", b"\x04" * 32).vkey


@pytest.mark.requirement("AU-02", "GW-08")
@pytest.mark.parametrize(
    ("url", "vkey", "says"),
    [
        ("http://witness.example", WITNESS, "begins with https"),
        ("https://", WITNESS, "begins with https"),
        ("https://witness.example/?a=b", WITNESS, "neither query nor fragment"),
        ("https://witness.example", LOG, "cosignature/v1"),
        ("https://witness.example", "key", "verifier key"),
    ],
)
def test_an_outside_witness_has_a_protected_address_and_a_witnesss_key(url: str, vkey: str, says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        OutsideWitnessSettings(url=url, vkey=vkey)


def test_an_outside_witness_is_named_by_address_and_key() -> None:
    for url in ("https://witness.example/prefix", "http://127.0.0.1:8000", "http://[::1]:8000/"):
        assert OutsideWitnessSettings(url=url, vkey=WITNESS).url == url
