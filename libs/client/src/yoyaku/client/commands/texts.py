"""What the commands say, in English and Japanese. What the gateway says arrives in the same language."""

import os
from collections.abc import Mapping
from typing import Final

ENGLISH: Final = "en"
JAPANESE: Final = "ja"

TEXTS: Final[Mapping[str, tuple[str, str]]] = {
    "error": ("error:", "エラー:"),
    "trace": ("trace id {trace_id}", "トレース ID {trace_id}"),
    "user-id": ("User id", "ユーザー ID"),
    "password": ("Password", "パスワード"),
    "signed-in": ("Signed in to {url} as {user_id}.", "{url} に {user_id} としてサインインしました。"),
    "signed-out": ("Signed out of {url}.", "{url} からサインアウトしました。"),
    "signed-out-here": (
        "Signed out on this machine. The gateway could not be told: there, the session ends by itself.",
        "この端末ではサインアウトしました。ゲートウェイには通知できませんでした。セッションは期限で終了します。",
    ),
    "nobody-signed-in": ("Nobody is signed in to {url}.", "{url} にはサインインしていません。"),
    "sign-in-first": (
        "not signed in to {url}. Sign in with: {command}",
        "{url} にサインインしていません。次を実行: {command}",
    ),
    "no-password": (
        "no terminal to ask for the password on: give it with --password-file FILE, or - for standard input",
        "パスワードを尋ねる端末がありません。--password-file FILE(- は標準入力)で渡してください",
    ),
    "no-user-id": ("no terminal to ask on: name the user id", "尋ねる端末がありません。ユーザー ID を指定してください"),
    "bad-password-file": ("{path}: {why}", "{path}: {why}"),
    "bad-url": ("{why}", "{why}"),
    "unreachable": (
        "the gateway cannot be reached: {why}. Does it run? See `yoyaku status`, or name it with --url.",
        "ゲートウェイに接続できません: {why}。`yoyaku status` で確認するか、--url で指定してください。",
    ),
    "outcome-unknown": (
        "no answer came, so it may or may not have been done: look with `yoyaku my` before you repeat it.",
        "応答がなく、完了したかどうか不明です。繰り返す前に `yoyaku my` で確認してください。",
    ),
    "retry-later": ("try again in {seconds} s", "{seconds} 秒後にもう一度お試しください"),
    "no-room": ("there is no room '{name}'", "会議室「{name}」はありません"),
    "no-room-but-similar": (
        "there is no room '{name}', did you mean {names}?",
        "会議室「{name}」はありません。もしかして: {names}",
    ),
    "many-rooms": (
        "'{name}' is the name of several rooms, use the id: {rooms}",
        "「{name}」という会議室は複数あります。ID を使ってください: {rooms}",
    ),
    "no-reservation": (
        "none of your reservations has an id that begins or ends with '{name}'",
        "ID が「{name}」で始まる、または終わるご自身の予約はありません",
    ),
    "many-reservations": (
        "several of your reservations match '{name}': type more of the id",
        "「{name}」に合う予約が複数あります。ID をもっと長く入力してください",
    ),
    "bad-time": (
        "'{text}' is no time: write '2026-12-01 09:00', 09:00 or 2026-12-01T09:00:00+09:00",
        "「{text}」は時刻ではありません。例: '2026-12-01 09:00'、09:00、2026-12-01T09:00:00+09:00",
    ),
    "bad-date": (
        "'{text}' is no date: write 2026-12-01, today or tomorrow",
        "「{text}」は日付ではありません。例: 2026-12-01、today、tomorrow",
    ),
    "bad-duration": (
        "'{text}' is no length of time: write 1h, 30m or 1h30m",
        "「{text}」は長さではありません。例: 1h、30m、1h30m",
    ),
    "no-such-local-time": (
        "{text} does not exist in {zone}: the clocks go forward over it",
        "{text} は {zone} には存在しません(夏時間の切り替え)",
    ),
    "twice-local-time": (
        "{text} comes twice in {zone}: write {first} or {second}",
        "{text} は {zone} に二度あります。{first} または {second} と書いてください",
    ),
    "to-or-for": ("say when it ends: --to TIME or --for 1h", "終わりを --to TIME または --for 1h で指定してください"),
    "to-and-for": ("--to and --for exclude each other", "--to と --for は同時に使えません"),
    "end-before-start": ("it ends before it begins", "終わりが始まりより前です"),
    "free-both": ("--free-from and --free-to belong together", "--free-from と --free-to は一緒に指定してください"),
    "nothing-to-move": (
        "say what changes: --from, --to, --for, --room or --title",
        "変更する内容を --from、--to、--for、--room、--title で指定してください",
    ),
    "meeting": ("Meeting", "会議"),
    "booked": ("Booked", "予約しました"),
    "moved": ("Moved", "変更しました"),
    "cancelled": ("Cancelled", "取り消しました"),
    "cancel-with": ("cancel with: {command}", "取り消し: {command}"),
    "free-instead": ("Free instead:", "代わりに予約できます:"),
    "changed-meanwhile": (
        "it was changed by somebody else just now; look with `yoyaku my` and try again",
        "ほかの人が直前に変更しました。`yoyaku my` で確認して、もう一度お試しください",
    ),
    "no-rooms": ("No room is like that.", "条件に合う会議室はありません。"),
    "no-bookings": ("You have no coming reservation.", "これからの予約はありません。"),
    "no-bookings-at-all": ("You have no reservation.", "予約はありません。"),
    "id": ("id", "ID"),
    "room": ("room", "会議室"),
    "site": ("site", "拠点"),
    "seats": ("seats", "席"),
    "features": ("has", "設備"),
    "zone": ("clock", "時間帯"),
    "date": ("date", "日付"),
    "time": ("time", "時刻"),
    "title": ("title", "件名"),
    "status": ("status", "状態"),
    "what": ("what", "状況"),
    "book-it": ("book it with", "予約コマンド"),
    "confirmed": ("booked", "予約済み"),
    "cancelled-status": ("cancelled", "取消"),
    "free": ("free", "空き"),
    "reservation": ("taken", "予約あり"),
    "buffer": ("kept free", "準備時間"),
    "closure": ("closed", "閉室"),
    "outside-hours": ("outside opening hours", "利用時間外"),
    "retired": ("retired", "廃止"),
}

WEEKDAYS: Final = (
    ("Mon", "月"),
    ("Tue", "火"),
    ("Wed", "水"),
    ("Thu", "木"),
    ("Fri", "金"),
    ("Sat", "土"),
    ("Sun", "日"),
)


def language_of(environment: Mapping[str, str] = os.environ) -> str:
    """Return the language of the locale, as POSIX finds the locale of messages."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := environment.get(name):
            return JAPANESE if value.lower().startswith("ja") else ENGLISH
    return ENGLISH


def say(language: str, text: str, /, **facts: object) -> str:
    """Return a text in a language."""
    return TEXTS[text][language == JAPANESE].format_map(facts)


def weekday(language: str, number: int) -> str:
    """Return the short name of a weekday; 0 is Monday."""
    return WEEKDAYS[number][language == JAPANESE]
