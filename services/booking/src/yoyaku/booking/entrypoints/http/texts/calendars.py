"""Texts about calendar feeds."""

from collections.abc import Mapping
from typing import Final

from yoyaku.booking.entrypoints.http.texts.language import ENGLISH, JAPANESE, Text

PROBLEMS: Final[Mapping[str, Mapping[str, Text]]] = {
    "calendar-not-found": {
        ENGLISH: Text("There is no such calendar", "This calendar does not exist, or not any more."),
        JAPANESE: Text("カレンダーが見つかりません", "指定されたカレンダーは存在しないか、取り消されています。"),
    },
    "too-many-calendars": {
        ENGLISH: Text("You have too many calendars", "At most {limit} are allowed: revoke one first."),
        JAPANESE: Text("カレンダーが多すぎます", "カレンダーは{limit}件までです。不要なものを取り消してください。"),
    },
}
