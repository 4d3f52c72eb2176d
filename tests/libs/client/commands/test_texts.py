"""Every sentence is there in both languages, with the same facts in it."""

import string

import pytest

from yoyaku.client.commands.texts import TEXTS, language_of, say, weekday


def facts(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.requirement("BK-10")
@pytest.mark.parametrize("name", TEXTS)
def test_both_languages_tell_the_same_facts(name: str) -> None:
    english, japanese = TEXTS[name]
    assert english
    assert japanese
    assert facts(english) == facts(japanese)


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"),
        ({"LANG": "ja_JP.UTF-8"}, "ja"),
        ({"LANG": "ja_JP.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "de_DE.UTF-8", "LC_MESSAGES": "ja_JP"}, "ja"),
        ({"LANG": "", "LC_ALL": ""}, "en"),
    ],
)
def test_the_locale_of_messages_decides(environment: dict[str, str], language: str) -> None:
    assert language_of(environment) == language


def test_a_text_in_each_language() -> None:
    assert say("en", "no-room", name="桜") == "there is no room '桜'"
    assert say("ja", "no-room", name="桜") == "会議室「桜」はありません"
    assert [weekday("ja", 0), weekday("en", 6)] == ["月", "Sun"]
