"""Texts about people and signing in."""

from collections.abc import Mapping
from typing import Final

from yoyaku.booking.entrypoints.http.texts.language import ENGLISH, JAPANESE, Text

PROBLEMS: Final[Mapping[str, Mapping[str, Text]]] = {
    "sign-in-failed": {
        ENGLISH: Text("Sign-in failed", "The user id or the password is wrong."),
        JAPANESE: Text("ログインできません", "ユーザーIDまたはパスワードが正しくありません。"),
    },
    "sign-in-again": {
        ENGLISH: Text("Sign in again", "This refresh token is not valid."),
        JAPANESE: Text("再度ログインしてください", "このリフレッシュトークンは無効です。"),
    },
    "refresh-superseded": {
        ENGLISH: Text(
            "Refreshed a moment ago", "This refresh token was used seconds ago; use the tokens that were given then."
        ),
        JAPANESE: Text(
            "更新済みです",
            "このリフレッシュトークンは数秒前に使用されました。そのとき発行されたトークンを使ってください。",
        ),
    },
    "not-authenticated": {
        ENGLISH: Text("Sign in first", "A valid access token is needed."),
        JAPANESE: Text("認証が必要です", "有効なアクセストークンが必要です。"),
    },
    "not-permitted": {
        ENGLISH: Text("You may not do this", "Your role does not allow this."),
        JAPANESE: Text("権限がありません", "この操作を行う権限がありません。"),
    },
    "person-already-exists": {
        ENGLISH: Text("The user id is taken", "Somebody already has this user id."),
        JAPANESE: Text("登録済みのユーザーID", "このユーザーIDはすでに使われています。"),
    },
    "person-not-found": {
        ENGLISH: Text("There is no such person", "No person has the id {person_id}."),
        JAPANESE: Text("ユーザーが見つかりません", "ID {person_id} のユーザーは存在しません。"),
    },
    "session-not-found": {
        ENGLISH: Text("There is no such session", "You have no open session with the id {session_id}."),
        JAPANESE: Text("セッションが見つかりません", "ID {session_id} の有効なセッションはありません。"),
    },
    "last-admin": {
        ENGLISH: Text("The last ADMIN must stay", "Without this ADMIN nobody could manage people any more."),
        JAPANESE: Text("最後の管理者です", "この管理者がいなくなると、ユーザーを管理できる人がいなくなります。"),
    },
    "busy": {
        ENGLISH: Text("Too much is waiting", "Too many sign-ins wait; try again soon."),
        JAPANESE: Text("混み合っています", "ログインが集中しています。しばらくしてからやり直してください。"),
    },
}

FIELDS: Final[Mapping[str, Mapping[str, str]]] = {
    "wrong-password": {ENGLISH: "This is not the current password.", JAPANESE: "現在のパスワードと一致しません。"},
    "too-common": {
        ENGLISH: "This password is easy to guess; choose another.",
        JAPANESE: "推測されやすいパスワードです。別のものを選んでください。",
    },
    "bad-user-id": {
        ENGLISH: "1 to {max_length} ASCII letters, digits and . _ @ + - are allowed, starting with a letter or digit.",
        JAPANESE: "英数字で始まる1〜{max_length}文字(英数字と . _ @ + -)にしてください。",
    },
}
