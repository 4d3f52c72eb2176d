"""Texts about reservations."""

from collections.abc import Mapping
from typing import Final

from yoyaku.booking.entrypoints.http.texts.language import ENGLISH, JAPANESE, Text

PROBLEMS: Final[Mapping[str, Mapping[str, Text]]] = {
    "room-already-reserved": {
        ENGLISH: Text("The room is taken", "The room is already reserved at that time."),
        JAPANESE: Text("予約の重複", "入力の時間帯はすでに予約済みです。"),
    },
    "reservation-not-found": {
        ENGLISH: Text("There is no such reservation", "No reservation has this id."),
        JAPANESE: Text("予約が見つかりません", "指定された予約は存在しません。"),
    },
    "reservation-already-cancelled": {
        ENGLISH: Text("The reservation was cancelled before", "The reservation was cancelled at {cancelled_at}."),
        JAPANESE: Text("キャンセル済みの予約", "この予約は{cancelled_at}にキャンセル済みです。"),
    },
    "reservation-not-cancelled": {
        ENGLISH: Text(
            "The reservation is not cancelled", "The reservation holds its room; there is nothing to restore."
        ),
        JAPANESE: Text("有効な予約", "この予約は有効なため、復元する必要はありません。"),
    },
    "reservation-ended": {
        ENGLISH: Text("The reservation is over", "The reservation ended at {ended_at}."),
        JAPANESE: Text("終了した予約", "この予約は{ended_at}に終了しています。"),
    },
    "request-in-progress": {
        ENGLISH: Text("The same request is in progress", "A request with this Idempotency-Key is still in progress."),
        JAPANESE: Text("処理中のリクエスト", "同じ Idempotency-Key のリクエストを処理中です。"),
    },
    "idempotency-key-reused": {
        ENGLISH: Text("The Idempotency-Key was used before", "This Idempotency-Key belongs to another request."),
        JAPANESE: Text("使用済みのキー", "この Idempotency-Key は別のリクエストで使用済みです。"),
    },
}

FIELDS: Final[Mapping[str, Mapping[str, str]]] = {
    "bad-key": {
        ENGLISH: "A key has 1 to {max_length} printable ASCII characters.",
        JAPANESE: "キーは1〜{max_length}文字の印字可能なASCII文字にしてください。",
    },
    "absurd-time": {ENGLISH: "The year is out of range.", JAPANESE: "年が範囲外です。"},
    "off-grid": {
        ENGLISH: "The room's clock must show a multiple of {grid_minutes} minutes.",
        JAPANESE: "{grid_minutes}分単位で指定してください。",
    },
    "not-after-start": {ENGLISH: "The end must be after the start.", JAPANESE: "終了は開始より後にしてください。"},
    "too-far-back": {ENGLISH: "This is too long ago.", JAPANESE: "過去の日時は予約できません。"},
    "too-far-ahead": {ENGLISH: "This is too far ahead.", JAPANESE: "予約できる期間を過ぎています。"},
    "longer-than-allowed": {
        ENGLISH: "A reservation may last {max_hours} hours at most.",
        JAPANESE: "予約は最長{max_hours}時間です。",
    },
    "already-begun": {
        ENGLISH: "The reservation has begun: its end and title can still be changed.",
        JAPANESE: "開始済みの予約です。変更できるのは終了時刻とタイトルだけです。",
    },
    "already-past": {
        ENGLISH: "A reservation that has begun must end in the future; cancel it to free the room now.",
        JAPANESE: "開始済みの予約の終了は現在より後にしてください。すぐに空ける場合はキャンセルしてください。",
    },
    "span-too-wide": {
        ENGLISH: "The list may span {max_days} days at most.",
        JAPANESE: "一覧の期間は最長{max_days}日です。",
    },
    "either-or": {
        ENGLISH: "Give either date, or from and to.",
        JAPANESE: "date、または from と to のどちらかを指定してください。",
    },
    "required-for-others": {
        ENGLISH: "Say why when you cancel somebody else's reservation.",
        JAPANESE: "他の人の予約をキャンセルする場合は理由を入力してください。",
    },
}
