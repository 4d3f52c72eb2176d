"""What people read when a request is refused, in English and Japanese (BK-10).

Invariant: every code has both languages; the two classic Japanese texts stay exactly as they are.
"""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

ENGLISH: Final = "en"
JAPANESE: Final = "ja"
LANGUAGES: Final = (ENGLISH, JAPANESE)


class Text(NamedTuple):
    """A problem's title and detail in one language; facts stand in braces."""

    title: str
    detail: str


PROBLEM_TEXTS: Final[Mapping[str, Mapping[str, Text]]] = {
    "room-already-reserved": {
        ENGLISH: Text("The room is taken", "The room is already reserved at that time."),
        JAPANESE: Text("予約の重複", "入力の時間帯はすでに予約済みです。"),
    },
    "room-not-bookable": {
        ENGLISH: Text("The room cannot be booked then", "This room takes no bookings at that time."),
        JAPANESE: Text("予約できない部屋", "入力の日付・部屋の組合わせは予約できません。"),
    },
    "invalid-request": {
        ENGLISH: Text("The request is not valid", "Some fields are not valid; each is named in errors."),
        JAPANESE: Text("入力の誤り", "入力内容に誤りがあります。errors の各項目を確認してください。"),
    },
    "malformed-json": {
        ENGLISH: Text("The body is not valid JSON", "The body could not be read as JSON; errors says why."),
        JAPANESE: Text("JSONの誤り", "本文をJSONとして読み取れません。理由は errors にあります。"),
    },
    "body-too-large": {
        ENGLISH: Text("The body is too large", "A body may have at most {limit_bytes} bytes."),
        JAPANESE: Text("本文が大きすぎます", "本文は{limit_bytes}バイト以下にしてください。"),
    },
    "body-too-slow": {
        ENGLISH: Text("The body took too long", "A body may take at most {limit_seconds:g} seconds to arrive."),
        JAPANESE: Text("本文の受信が遅すぎます", "本文は{limit_seconds:g}秒以内に送信してください。"),
    },
    "body-incomplete": {
        ENGLISH: Text("The body is incomplete", "The body ended early, or its chunks could not be read."),
        JAPANESE: Text("本文が不完全です", "本文が途中で途切れたか、チャンクを読み取れません。"),
    },
    "headers-too-large": {
        ENGLISH: Text("The headers are too large", "All headers together may have at most {limit_bytes} bytes."),
        JAPANESE: Text("ヘッダーが大きすぎます", "ヘッダーは合計{limit_bytes}バイト以下にしてください。"),
    },
    "address-too-long": {
        ENGLISH: Text("The address is too long", "Path and query may have at most {limit_bytes} bytes."),
        JAPANESE: Text("アドレスが長すぎます", "パスとクエリは{limit_bytes}バイト以下にしてください。"),
    },
    "unsupported-media-type": {
        ENGLISH: Text("The content type is not supported", "Send application/json in UTF-8, without content coding."),
        JAPANESE: Text("対応していない形式", "本文は UTF-8 の application/json で送信してください。"),
    },
    "not-found": {
        ENGLISH: Text("There is nothing here", "No such address exists."),
        JAPANESE: Text("見つかりません", "指定されたアドレスは存在しません。"),
    },
    "room-not-found": {
        ENGLISH: Text("There is no such room", "No room has this id."),
        JAPANESE: Text("部屋が見つかりません", "指定された部屋は存在しません。"),
    },
    "reservation-not-found": {
        ENGLISH: Text("There is no such reservation", "No reservation has this id."),
        JAPANESE: Text("予約が見つかりません", "指定された予約は存在しません。"),
    },
    "method-not-allowed": {
        ENGLISH: Text(
            "The method is not allowed", "This address does not take that method; Allow names those it takes."
        ),
        JAPANESE: Text("許可されていないメソッド", "このアドレスではそのメソッドを使えません。"),
    },
    "sign-in-failed": {
        ENGLISH: Text("Sign-in failed", "The user id or the password is wrong."),
        JAPANESE: Text("ログインできません", "ユーザーIDまたはパスワードが正しくありません。"),
    },
    "not-authenticated": {
        ENGLISH: Text("Sign in first", "A valid access token is needed."),
        JAPANESE: Text("認証が必要です", "有効なアクセストークンが必要です。"),
    },
    "not-permitted": {
        ENGLISH: Text("You may not do this", "Your role does not allow this."),
        JAPANESE: Text("権限がありません", "この操作を行う権限がありません。"),
    },
    "address-blocked": {
        ENGLISH: Text("Your address is blocked for now", "Requests from your address are refused for a while."),
        JAPANESE: Text(
            "アクセスが一時的に制限されています", "お使いのアドレスからのアクセスは一時的に制限されています。"
        ),
    },
    "room-already-exists": {
        ENGLISH: Text("The room exists already", "The site already has a room of this name."),
        JAPANESE: Text("登録済みの部屋", "同じ拠点に同じ名前の部屋がすでにあります。"),
    },
    "person-already-exists": {
        ENGLISH: Text("The user id is taken", "Somebody already has this user id."),
        JAPANESE: Text("登録済みのユーザーID", "このユーザーIDはすでに使われています。"),
    },
    "reservation-already-cancelled": {
        ENGLISH: Text("The reservation was cancelled before", "The reservation was cancelled at {cancelled_at}."),
        JAPANESE: Text("キャンセル済みの予約", "この予約は{cancelled_at}にキャンセル済みです。"),
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
    "busy": {
        ENGLISH: Text("Too much is waiting", "Too many sign-ins wait; try again soon."),
        JAPANESE: Text("混み合っています", "ログインが集中しています。しばらくしてからやり直してください。"),
    },
    "database-unavailable": {
        ENGLISH: Text(
            "Try again soon",
            "The database does not answer just now. Ask again; an Idempotency-Key makes sure that it happens once.",
        ),
        JAPANESE: Text(
            "一時的に利用できません", "データベースが一時的に利用できません。しばらくしてからやり直してください。"
        ),
    },
    "service-unavailable": {
        ENGLISH: Text("A service does not answer", "The service {service} does not answer just now."),
        JAPANESE: Text(
            "一時的に利用できません", "サービス {service} が応答しません。しばらくしてからやり直してください。"
        ),
    },
    "service-refused": {
        ENGLISH: Text("A service refused", "The service {service} could not answer ({service_code})."),
        JAPANESE: Text("サービスのエラー", "サービス {service} が回答できませんでした({service_code})。"),
    },
    "internal-error": {
        ENGLISH: Text("Something went wrong", ""),
        JAPANESE: Text("エラーが発生しました", ""),
    },
}

FIELD_TEXTS: Final[Mapping[str, Mapping[str, str]]] = {
    "required": {ENGLISH: "This is required.", JAPANESE: "必須項目です。"},
    "unknown-field": {ENGLISH: "There is no such field.", JAPANESE: "存在しない項目です。"},
    "wrong-type": {ENGLISH: "This has the wrong type.", JAPANESE: "値の型が正しくありません。"},
    "not-allowed": {ENGLISH: "This value is not one of those allowed.", JAPANESE: "許可されていない値です。"},
    "bad-time": {
        ENGLISH: "A time in RFC 3339 with its offset from UTC is needed, such as 2026-04-01T09:00:00+09:00.",
        JAPANESE: "UTCとの時差を含むRFC 3339形式の日時を指定してください(例: 2026-04-01T09:00:00+09:00)。",
    },
    "bad-date": {
        ENGLISH: "A date such as 2026-04-01 is needed.",
        JAPANESE: "2026-04-01 の形式で日付を指定してください。",
    },
    "bad-cursor": {ENGLISH: "This is no cursor of this list.", JAPANESE: "この一覧のカーソルではありません。"},
    "bad-characters": {ENGLISH: "Control characters are not allowed.", JAPANESE: "制御文字は使えません。"},
    "bad-key": {
        ENGLISH: "A key has 1 to {max_length} printable ASCII characters.",
        JAPANESE: "キーは1〜{max_length}文字の印字可能なASCII文字にしてください。",
    },
    "blank": {ENGLISH: "This may not be blank.", JAPANESE: "空白にはできません。"},
    "too-short": {ENGLISH: "At least {min_length} characters are needed.", JAPANESE: "{min_length}文字以上必要です。"},
    "too-long": {ENGLISH: "This is too long.", JAPANESE: "長すぎます。"},
    "too-small": {ENGLISH: "This is too small.", JAPANESE: "値が小さすぎます。"},
    "too-large": {ENGLISH: "This is too large.", JAPANESE: "値が大きすぎます。"},
    "too-common": {
        ENGLISH: "This password is easy to guess; choose another.",
        JAPANESE: "推測されやすいパスワードです。別のものを選んでください。",
    },
    "bad-user-id": {
        ENGLISH: "1 to {max_length} ASCII letters, digits and . _ @ + - are allowed, starting with a letter or digit.",
        JAPANESE: "英数字で始まる1〜{max_length}文字(英数字と . _ @ + -)にしてください。",
    },
    "unknown-time-zone": {
        ENGLISH: "This is no IANA time zone, such as Asia/Tokyo.",
        JAPANESE: "IANAのタイムゾーン名(例: Asia/Tokyo)を指定してください。",
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
    "required-for-others": {
        ENGLISH: "Say why when you cancel somebody else's reservation.",
        JAPANESE: "他の人の予約をキャンセルする場合は理由を入力してください。",
    },
    "not-json": {ENGLISH: "This is not JSON in UTF-8.", JAPANESE: "UTF-8のJSONではありません。"},
    "duplicate-key": {ENGLISH: "A name appears twice in one object.", JAPANESE: "同じ名前が重複しています。"},
    "too-deep": {ENGLISH: "This is nested too deeply.", JAPANESE: "入れ子が深すぎます。"},
    "not-a-number": {ENGLISH: "NaN and Infinity are not JSON.", JAPANESE: "NaN と Infinity は使えません。"},
    "invalid": {ENGLISH: "This is not valid.", JAPANESE: "正しくない値です。"},
}

_RANGE: Final = re.compile(r"\s*([A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*|\*)\s*(?:;\s*q\s*=\s*([01](?:\.\d{0,3})?))?\s*")


def negotiate(accept_language: str | None) -> str:
    """Choose the language that an Accept-Language header wants most; English when it says nothing (RFC 9110 12.5.4)."""
    if not accept_language:
        return ENGLISH
    best, best_quality = ENGLISH, 0.0
    for part in accept_language[:500].split(","):
        match = _RANGE.fullmatch(part)
        if match is None:
            continue
        language = ENGLISH if match[1] == "*" else match[1].partition("-")[0].lower()
        quality = float(match[2] or 1)
        if language in LANGUAGES and quality > best_quality:
            best, best_quality = language, quality
    return best
