"""A room is the one that is meant, or the person is asked."""

import pytest

from yoyaku.client.commands.exits import UsageError
from yoyaku.client.commands.finding import pick_room
from yoyaku.client.models.rooms import Room


def room(number: int, name: str, site: str = "Tokyo") -> Room:
    return Room(id=number, name=name, site=site, capacity=4, time_zone="Asia/Tokyo")


ROOMS = [room(1, "Sakura"), room(2, "Fuji"), room(3, "Fuji", "Kyoto"), room(4, "会議室Ａ"), room(5, "Fujimi Hall")]


@pytest.mark.parametrize(
    ("typed", "number"), [("Sakura", 1), ("sakura", 1), ("ＳＡＫＵＲＡ", 1), (" Sakura ", 1), ("会議室A", 4)]
)
def test_a_name_is_found_however_it_is_typed(typed: str, number: int) -> None:
    assert pick_room(typed, ROOMS).id == number


def test_a_name_of_several_rooms_is_asked_back_with_their_ids() -> None:
    with pytest.raises(UsageError) as refused:
        pick_room("fuji", ROOMS)
    assert refused.value.text == "many-rooms"
    assert refused.value.facts["rooms"] == "2 (Tokyo), 3 (Kyoto)"


@pytest.mark.parametrize(("typed", "meant"), [("Sakra", "Sakura"), ("hall", "Fujimi Hall"), ("会議室", "会議室Ａ")])
def test_a_name_that_is_none_is_answered_with_what_looks_like_it(typed: str, meant: str) -> None:
    with pytest.raises(UsageError) as refused:
        pick_room(typed, ROOMS)
    assert meant in str(refused.value.facts["names"])


def test_a_name_like_no_other_is_just_refused() -> None:
    with pytest.raises(UsageError) as refused:
        pick_room("zzz", ROOMS)
    assert refused.value.text == "no-room"
