"""Texts about rooms."""

from collections.abc import Mapping
from typing import Final

from yoyaku.booking.entrypoints.http.texts.language import ENGLISH, JAPANESE, Text

PROBLEMS: Final[Mapping[str, Mapping[str, Text]]] = {
    "room-not-bookable": {
        ENGLISH: Text("The room cannot be booked then", "This room takes no bookings at that time."),
        JAPANESE: Text("予約できない部屋", "入力の日付・部屋の組合わせは予約できません。"),
    },
    "room-not-found": {
        ENGLISH: Text("There is no such room", "No room has this id."),
        JAPANESE: Text("部屋が見つかりません", "指定された部屋は存在しません。"),
    },
    "room-already-exists": {
        ENGLISH: Text("The room exists already", "The site already has a room of this name."),
        JAPANESE: Text("登録済みの部屋", "同じ拠点に同じ名前の部屋がすでにあります。"),
    },
}

FIELDS: Final[Mapping[str, Mapping[str, str]]] = {
    "unknown-time-zone": {
        ENGLISH: "This is no IANA time zone, such as Asia/Tokyo.",
        JAPANESE: "IANAのタイムゾーン名(例: Asia/Tokyo)を指定してください。",
    },
}
