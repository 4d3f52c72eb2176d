"""Texts about requests as such: their form, their size, and what stands behind the gateway."""

from collections.abc import Mapping
from typing import Final

from yoyaku.booking.entrypoints.http.texts.language import ENGLISH, JAPANESE, Text

PROBLEMS: Final[Mapping[str, Mapping[str, Text]]] = {
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
    "method-not-allowed": {
        ENGLISH: Text(
            "The method is not allowed", "This address does not take that method; Allow names those it takes."
        ),
        JAPANESE: Text("許可されていないメソッド", "このアドレスではそのメソッドを使えません。"),
    },
    "address-blocked": {
        ENGLISH: Text("Your address is blocked for now", "Requests from your address are refused for a while."),
        JAPANESE: Text(
            "アクセスが一時的に制限されています", "お使いのアドレスからのアクセスは一時的に制限されています。"
        ),
    },
    "precondition-required": {
        ENGLISH: Text(
            "If-Match is needed", "Read it first, and send its ETag as If-Match: so nobody's change is lost."
        ),
        JAPANESE: Text("If-Matchが必要です", "最新の内容を取得し、そのETagをIf-Matchで送信してください。"),
    },
    "precondition-failed": {
        ENGLISH: Text(
            "It has changed since", "Somebody changed it: version {current_version} is there now. Read it, then decide."
        ),
        JAPANESE: Text(
            "他で更新されています", "内容が更新されています(現在の版: {current_version})。取得し直してください。"
        ),
    },
    "too-many-requests": {
        ENGLISH: Text(
            "Too many requests",
            "The limit {policy} is reached. Ask again in {retry_after_seconds} seconds.",
        ),
        JAPANESE: Text(
            "リクエストが多すぎます",
            "上限({policy})に達しました。{retry_after_seconds}秒後にやり直してください。",
        ),
    },
    "deadline-exceeded": {
        ENGLISH: Text(
            "It took too long",
            "The request was given up after {limit_seconds:g} seconds and has changed nothing. Ask again.",
        ),
        JAPANESE: Text(
            "処理に時間がかかりすぎました",
            "{limit_seconds:g}秒以内に処理できなかったため、何も変更せずに中止しました。やり直してください。",
        ),
    },
    "bad-host": {
        ENGLISH: Text("The Host header is missing or unclear", "Send exactly one Host header."),
        JAPANESE: Text("Host ヘッダーの誤り", "Host ヘッダーを1つだけ送信してください。"),
    },
    "wrong-host": {
        ENGLISH: Text("This server does not answer to that name", "The Host header names another server."),
        JAPANESE: Text("ホスト名が違います", "このサーバーはその名前では応答しません。"),
    },
    "origin-not-allowed": {
        ENGLISH: Text("This origin is not allowed", "Pages of that origin may not call the API, or not like this."),
        JAPANESE: Text("許可されていないオリジン", "そのオリジンのページからこの呼び出しはできません。"),
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
    "not-in-audit-log": {
        ENGLISH: Text("Not in the audit log", "The audit log has no such entry, checkpoint or file."),
        JAPANESE: Text("監査ログにありません", "監査ログに該当する記録、チェックポイント、ファイルはありません。"),
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

FIELDS: Final[Mapping[str, Mapping[str, str]]] = {
    "required": {ENGLISH: "This is required.", JAPANESE: "必須項目です。"},
    "unknown-field": {ENGLISH: "There is no such field.", JAPANESE: "存在しない項目です。"},
    "repeated": {ENGLISH: "This may be sent once only.", JAPANESE: "1回だけ指定できます。"},
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
    "bad-etag": {
        ENGLISH: 'A quoted tag such as "1" is needed.',
        JAPANESE: '"1" のように引用符で囲んだETagを指定してください。',
    },
    "bad-cursor": {ENGLISH: "This is no cursor of this list.", JAPANESE: "この一覧のカーソルではありません。"},
    "bad-characters": {ENGLISH: "Control characters are not allowed.", JAPANESE: "制御文字は使えません。"},
    "blank": {ENGLISH: "This may not be blank.", JAPANESE: "空白にはできません。"},
    "too-short": {ENGLISH: "At least {min_length} characters are needed.", JAPANESE: "{min_length}文字以上必要です。"},
    "too-long": {ENGLISH: "This is too long.", JAPANESE: "長すぎます。"},
    "too-small": {ENGLISH: "This is too small.", JAPANESE: "値が小さすぎます。"},
    "too-large": {ENGLISH: "This is too large.", JAPANESE: "値が大きすぎます。"},
    "not-json": {ENGLISH: "This is not JSON in UTF-8.", JAPANESE: "UTF-8のJSONではありません。"},
    "duplicate-key": {ENGLISH: "A name appears twice in one object.", JAPANESE: "同じ名前が重複しています。"},
    "too-deep": {ENGLISH: "This is nested too deeply.", JAPANESE: "入れ子が深すぎます。"},
    "not-a-number": {ENGLISH: "NaN and Infinity are not JSON.", JAPANESE: "NaN と Infinity は使えません。"},
    "invalid": {ENGLISH: "This is not valid.", JAPANESE: "正しくない値です。"},
}
