"""Write the requests and answers of docs/api, and its table of codes, again: `make api-pages`.

Pages say between markers which exchange of the story stands there. What differs from run to run (ids, tokens, traces,
the time of day) is replaced by what stays, so that a rewrite without a change of the API changes nothing.
"""

import asyncio
import json
import re
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import httpx
from tools.api_story import DAY, Exchange, Stage, play, play_limits

from yoyaku.booking.entrypoints.http.openapi.refusals import STATUSES
from yoyaku.booking.entrypoints.http.texts.catalogue import FIELD_TEXTS, PROBLEM_TEXTS
from yoyaku.booking.entrypoints.http.texts.language import ENGLISH, JAPANESE
from yoyaku.booking.settings import RateLimitSettings
from yoyaku.embedded.system import start_system
from yoyaku.testkit.servers import make_scratch_folder

PAGES: Final = Path(__file__).resolve().parents[1] / "docs" / "api"
ERRORS_PAGE: Final = PAGES / "errors.md"
BLOCK: Final = re.compile(r"(<!-- (exchange|table): ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
FENCE: Final = "```"
WIDTH: Final = 110

OF_MALFORMED: Final = frozenset({"not-json", "duplicate-key", "too-deep", "not-a-number"})
"""What is said of a body that is no JSON, with 400."""
OF_THE_ROOM: Final = frozenset({"room-retired", "outside-opening-hours", "not-open-then", "closed"})
"""The rules of a room: 409, or 422 beside others."""

_SHOWN: Final = (
    "Content-Type",
    "Content-Language",
    "Location",
    "ETag",
    "Link",
    "Idempotent-Replayed",
    "WWW-Authenticate",
    "Retry-After",
    "RateLimit-Policy",
    "RateLimit",
    "X-Trace-Id",
)
_OF_LIMITS: Final = frozenset({"RateLimit-Policy", "RateLimit"})
_TELL_LIMITS: Final = frozenset({"within-limits", "too-many-requests"})
_NOW: Final = "2030-03-01T00:15:00Z"
_LATER: Final = "2030-03-31T00:15:00Z"
_TRACE_ID: Final = "4bf92f3577b34da6a3ce929d0e0e4736"
_WAIT: Final = "2"


class Placeholders:
    """Puts what stays in place of what differs; the same thing gets the same placeholder in all pages."""

    def __init__(self) -> None:
        self._given: dict[str, str] = {}
        self._counted: dict[str, int] = {}

    def __call__(self, text: str) -> str:
        """Return the text as it is shown."""
        text = re.sub(r"eyJ[\w-]+\.[\w-]+\.[\w-]+", "eyJhbGciOiJFZERTQSIs…", text)
        text = re.sub(r'(password": ")[^"]*', r"\1…", text)
        text = re.sub(r'(?<=refresh_token": ")[^"]+', self._numbered("rt", "{number}-wQ8mZbY2u0sC5hK1…"), text)
        text = re.sub(r'(?<=W/")[0-9a-f]{32}', self._numbered("tag", "list-{number}"), text)
        text = re.sub(r'(?<=: "\d-)[0-9a-f]{12}(?=")', self._numbered("shown", "{number:012x}"), text)
        text = re.sub(r"\b[0-9a-f]{32}\b", _TRACE_ID, text)
        uuids = self._numbered("id", "0199b2c4-7a31-7c58-9d1e-{number:012d}")
        text = re.sub(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", uuids, text)
        text = re.sub(r"(cursor=[\w-]{16})[\w-]+", r"\1…", text)
        text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", _moment, text)
        text = re.sub(r'(retry_after_seconds": |Retry-After: |again in )\d+', rf"\g<1>{_WAIT}", text)
        return text.replace("127.0.0.1", "192.0.2.10")

    def _numbered(self, kind: str, form: str) -> Callable[[re.Match[str]], str]:
        def placeholder(found: re.Match[str]) -> str:
            if found[0] not in self._given:
                self._counted[kind] = self._counted.get(kind, 0) + 1
                self._given[found[0]] = form.format(number=self._counted[kind])
            return self._given[found[0]]

        return placeholder


def _moment(found: re.Match[str]) -> str:
    return found[0] if found[0].startswith(DAY) else _NOW


def render(name: str, exchange: Exchange, placeholders: Placeholders) -> str:
    """Return an exchange as the two fenced blocks of a page."""
    sent = [f"{exchange.method} {exchange.target} HTTP/1.1"]
    sent += [f"{header}: {value}" for header, value in exchange.headers.items()]
    answer = exchange.answer
    got = [f"HTTP/1.1 {answer.status_code} {answer.reason_phrase}"]
    shown = [header for header in _SHOWN if header not in _OF_LIMITS or name in _TELL_LIMITS]
    got += [f"{header}: {_standing(header, answer.headers)}" for header in shown if header in answer.headers]
    blocks = (_fenced(sent, _shown_json(exchange.content)), _fenced(got, _shown_json(answer.text)))
    return placeholders("\n".join(blocks))


def _fenced(head: list[str], body: str) -> str:
    return "\n".join([f"{FENCE}http", *head, *(["", body] if body else []), FENCE, ""])


def _standing(header: str, headers: Mapping[str, str]) -> str:
    """Return a header's value; what is left of a limit that is not used up depends on how fast the story was played."""
    if header != "RateLimit":
        return headers[header]
    quotas = dict(re.findall(r'"([\w-]+)";q=(\d+)', headers["RateLimit-Policy"]))

    def shown(found: re.Match[str]) -> str:
        left, wait = ("0", _WAIT) if found[2] == "0" else (str(int(quotas[found[1]]) - 1), "1")
        return f'"{found[1]}";r={left};t={wait}'

    return re.sub(r'"([\w-]+)";r=(\d+);t=\d+', shown, headers[header])


def _shown_json(text: str) -> str:
    """Return JSON with one member a line, and what fits into a line in one; other text as it is."""
    try:
        pairs = json.loads(text, object_pairs_hook=_once)
    except ValueError:
        return text
    return _spread(pairs, "")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name appears twice: shown as it was sent")
    return found


def _spread(value: Any, indent: str) -> str:
    flat = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or (indent and len(indent) + len(flat) <= WIDTH):
        return flat
    deeper = indent + "  "
    if isinstance(value, dict):
        parts = [
            f"{deeper}{json.dumps(name, ensure_ascii=False)}: {_spread(one, deeper)}" for name, one in value.items()
        ]
        return "\n".join(["{", ",\n".join(parts), indent + "}"])
    return "\n".join(["[", ",\n".join(deeper + _spread(one, deeper) for one in value), indent + "]"])


def tables() -> dict[str, str]:
    """Return the tables of every code, made from the code of the gateway."""
    problems = ["| status | code | English | 日本語 |", "|---|---|---|---|"]
    for code, status in sorted(STATUSES.items(), key=lambda entry: (entry[1], entry[0])):
        texts = [PROBLEM_TEXTS[code][language] for language in (ENGLISH, JAPANESE)]
        cells = [f"**{text.title}**{'<br>' if text.detail else ''}{text.detail}" for text in texts]
        problems.append(f"| {status} | `{code}` | {' | '.join(map(_cell, cells))} |")
    fields = ["| code | with | English | 日本語 |", "|---|---|---|---|"]
    for code, by_language in sorted(FIELD_TEXTS.items()):
        fields.append(f"| `{code}` | {_with(code)} | {_cell(by_language[ENGLISH])} | {_cell(by_language[JAPANESE])} |")
    return {"problems": "\n".join(problems) + "\n", "fields": "\n".join(fields) + "\n"}


def _with(code: str) -> str:
    if code in OF_MALFORMED:
        return "400"
    return "409, 422" if code in OF_THE_ROOM else "422"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def fill(page: str, blocks: Mapping[str, str]) -> str:
    """Return the page with each block between its markers. Raises KeyError for a block that nobody made."""
    return BLOCK.sub(lambda found: f"{found[1]}{blocks[found[3]]}{found[4]}", page)


async def recorded() -> dict[str, Exchange]:
    """Start a system, play the story on it and return the exchanges."""
    folder = make_scratch_folder()
    try:
        limits = {f"BOOKING_RATE_LIMIT__{name.upper()}": str(value) for name, value in RateLimitSettings()}
        async with start_system(folder / "data", fsync=False, overrides=limits) as system:
            if system.admin is None:
                raise RuntimeError("a fresh system has an administrator")
            async with httpx.AsyncClient(base_url=system.gateway_url, timeout=60, trust_env=False) as client:
                given = {"user_id": system.admin.user_id, "password": system.admin.password.get_secret_value()}
                admin = (await client.post("/api/v1/auth/login", json=given)).raise_for_status().json()
                stage = Stage(client, {"Authorization": f"Bearer {admin['access_token']}"})
                await play(stage)
                return await play_limits(stage)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    """Write the pages; `--tables` writes the tables of errors.md alone, and starts nothing."""
    blocks = tables()
    if "--tables" in sys.argv[1:]:
        ERRORS_PAGE.write_text(_keep_exchanges(ERRORS_PAGE.read_text(), blocks))
        return 0
    placeholders = Placeholders()
    blocks |= {name: render(name, exchange, placeholders) for name, exchange in asyncio.run(recorded()).items()}
    for path in sorted(PAGES.glob("*.md")):
        path.write_text(fill(path.read_text(), blocks))
    return 0


def _keep_exchanges(page: str, blocks: Mapping[str, str]) -> str:
    standing = {found[3]: found[0].removeprefix(found[1]).removesuffix(found[4]) for found in BLOCK.finditer(page)}
    return fill(page, {**standing, **blocks})


if __name__ == "__main__":
    sys.exit(main())
