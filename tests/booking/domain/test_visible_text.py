import pytest
from hypothesis import given
from hypothesis import strategies as st

from yoyaku.booking.domain.visible_text import visible_text


@pytest.mark.requirement("BK-01")
@pytest.mark.parametrize(
    "text",
    [
        "", " ", "\u200b", "\u200d\u200d", "\u3000\u00a0", "\u2060\ufeff", "\u202e\u202c", "\u115f",
        "\u3164 \uffa0", "\u2800", "\u0301", "\ufe0f", "\u00ad", "\U000e0001",
    ],
)  # fmt: skip
def test_what_nobody_sees_is_no_text(text: str) -> None:
    assert visible_text(text) == ""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (" Fuji\u200b ", "Fuji"),
        ("\ufeff会議室 A\u3000", "会議室 A"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("👩\u200d💻", "👩\u200d💻"),
        ("❤\ufe0f", "❤\ufe0f"),
        ("e\u0301", "e\u0301"),
        ("☕", "☕"),
        ("\U0001fadf", "\U0001fadf"),
    ],
)
def test_what_people_see_stays(text: str, shown: str) -> None:
    assert visible_text(text) == shown


@given(st.text())
def test_once_is_enough(text: str) -> None:
    shown = visible_text(text)
    assert visible_text(shown) == shown
    assert shown in text
