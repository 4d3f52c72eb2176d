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
    "closure-not-found": {
        ENGLISH: Text("There is no such closure", "The room has no closure of this id."),
        JAPANESE: Text("休止期間が見つかりません", "この部屋に指定された休止期間はありません。"),
    },
    "room-already-retired": {
        ENGLISH: Text("The room was retired before", "The room takes no bookings already."),
        JAPANESE: Text("廃止済みの部屋", "この部屋はすでに廃止されています。"),
    },
    "room-not-retired": {
        ENGLISH: Text("The room is in use", "Only a retired room can be reinstated."),
        JAPANESE: Text("使用中の部屋", "廃止されていない部屋は復活できません。"),
    },
    "closure-over-reservations": {
        ENGLISH: Text(
            "Reservations stand in the way",
            "{total} accepted reservations lie there. Move them, or send force to cancel them with the reason.",
        ),
        JAPANESE: Text(
            "予約が残っています",
            "この期間には予約が{total}件あります。変更するか、force を指定して理由とともに取り消してください。",
        ),
    },
    "too-many-closures": {
        ENGLISH: Text("The room has too many closures", "A room may have {max_closures} closures ahead at most."),
        JAPANESE: Text("休止期間が多すぎます", "今後の休止期間は1部屋につき{max_closures}件までです。"),
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
    "room-retired": {
        ENGLISH: "This room is retired and takes no bookings.",
        JAPANESE: "この部屋は廃止されており、予約できません。",
    },
    "outside-opening-hours": {
        ENGLISH: "This is outside the opening hours; the nearest are {opens} to {closes} on {date}.",
        JAPANESE: "利用時間外です。最も近い利用時間は{date}の{opens}〜{closes}です。",
    },
    "not-open-then": {
        ENGLISH: "The room does not open around that time.",
        JAPANESE: "この前後に部屋の利用時間はありません。",
    },
    "closed": {
        ENGLISH: "The room is closed until {until}: {reason}",
        JAPANESE: "{until}まで利用できません: {reason}",
    },
    "times-or-days": {
        ENGLISH: "Give starts_at and ends_at, or first_date and last_date.",
        JAPANESE: "starts_at と ends_at、または first_date と last_date を指定してください。",
    },
    "date-or-days": {
        ENGLISH: "Give date, or first_date and last_date.",
        JAPANESE: "date、または first_date と last_date を指定してください。",
    },
    "both-or-none": {
        ENGLISH: "Give both free_from and free_to.",
        JAPANESE: "free_from と free_to は両方指定してください。",
    },
    "too-many-days": {
        ENGLISH: "At most {max_days} days can be asked for at once.",
        JAPANESE: "一度に指定できるのは最長{max_days}日です。",
    },
    "never-open": {
        ENGLISH: "Name at least one opening; null means always open, and a room out of use is retired.",
        JAPANESE: "利用時間を1つ以上指定してください(常時利用可はnull、使わない部屋は廃止)。",
    },
    "overlapping-hours": {
        ENGLISH: "Opening hours of a day may not overlap.",
        JAPANESE: "同じ日の利用時間は重複できません。",
    },
    "bad-clock": {
        ENGLISH: "Two times of the day from 00:00 to 24:00 are needed, such as 09:00 and 18:00.",
        JAPANESE: "00:00〜24:00の時刻を2つ指定してください(例: 09:00, 18:00)。",
    },
    "too-many": {
        ENGLISH: "At most {max_items} are allowed.",
        JAPANESE: "最大{max_items}件です。",
    },
    "already-over": {
        ENGLISH: "This is over already.",
        JAPANESE: "すでに終了しています。",
    },
}
