"""SCRAM verifiers against the published vector and their own round trip."""

import base64

import pytest

from yoyaku.postgres.scram import matches, scram_verifier


def test_verifier_of_the_rfc_7677_example() -> None:
    salt = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
    assert scram_verifier("pencil", salt=salt) == (
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
        "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
    )


def test_matches_its_own_password_only() -> None:
    verifier = scram_verifier("right")
    assert matches("right", verifier)
    assert not matches("wrong", verifier)
    assert not matches("right", None)
    assert not matches("right", "md5abc")
    assert scram_verifier("right") != verifier


@pytest.mark.parametrize("password", ["", "pässword", "a\nb"])
def test_passwords_that_need_saslprep_are_refused(password) -> None:
    with pytest.raises(ValueError, match="printable ASCII"):
        scram_verifier(password)
