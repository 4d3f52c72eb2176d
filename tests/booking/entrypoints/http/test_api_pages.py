"""What docs/api says is what the gateway does: its tables against the code, its exchanges against real answers."""

import inspect
import json
import re
from typing import Any
from uuid import uuid4

import pytest
from tools.api_pages import (
    BLOCK,
    ERRORS_PAGE,
    OF_MALFORMED,
    OF_THE_ROOM,
    PAGES,
    Placeholders,
    render,
    tables,
)
from tools.api_story import Stage, play

from yoyaku.booking.domain import policy
from yoyaku.booking.entrypoints.http import bodies

WITH_DEFAULT_LIMITS = {"within-limits", "too-many-requests"}
"""Told by a gateway whose limits are as delivered; test_manners has them."""
KEPT = ("code", "kind", "status", "type")
"""Members whose value is part of what is promised."""


def blocks(kind: str) -> dict[str, str]:
    pages = "".join(path.read_text() for path in sorted(PAGES.glob("*.md")))
    return {
        found[3]: found[0].removeprefix(found[1]).removesuffix(found[4])
        for found in BLOCK.finditer(pages)
        if found[2] == kind
    }


def promised(block: str) -> list[Any]:
    """Return what a documented exchange promises: request line, status line, names of headers, shape of the bodies."""
    told: list[Any] = []
    for part in re.findall(r"```http\n(.*?)\n```", block, re.DOTALL):
        head, _, body = part.partition("\n\n")
        first, *headers = head.split("\n")
        told += [re.sub(r"[?/][^ ]*", "", first), [line.partition(":")[0] for line in headers], shape_of(body)]
    return told


def shape_of(body: str) -> Any:
    try:
        return shape(json.loads(body))
    except ValueError:
        return bool(body)


def shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: one if name in KEPT else shape(one) for name, one in value.items()}
    if isinstance(value, list):
        return [shape(one) for one in value]
    return type(value).__name__


@pytest.mark.requirement("GW-02", "BK-10")
def test_the_page_of_errors_has_every_code_as_the_code_has_it() -> None:
    """`make api-pages` writes it again."""
    written = re.findall(BLOCK, ERRORS_PAGE.read_text())
    assert {name for _, kind, name, _ in written if kind == "table"} == set(tables())
    assert blocks("table") == tables()


def test_the_page_of_errors_tells_with_which_status_a_code_of_a_field_comes() -> None:
    assert set(re.findall(r'_malformed\("([a-z-]+)"\)', inspect.getsource(bodies))) == OF_MALFORMED
    rules = (policy.rules_of_room, policy._retired, policy._outside, policy._closed)
    source = "".join(inspect.getsource(rule) for rule in rules)
    assert set(re.findall(r'Violation\(\s*[\w"]+, "([a-z-]+)"', source)) == OF_THE_ROOM


@pytest.mark.requirement("GW-01", "GW-02", "BK-04", "BK-05", "BK-08")
async def test_what_the_pages_show_is_what_the_gateway_answers(house: Any) -> None:
    played = await play(Stage(house.client, house.admin, suffix=f"-{uuid4().hex[:8]}"))
    documented = blocks("exchange")
    assert set(documented) == set(played) | WITH_DEFAULT_LIMITS
    for name, exchange in played.items():
        assert promised(render(name, exchange, Placeholders())) == promised(documented[name]), name


def test_what_differs_from_run_to_run_is_replaced_alike() -> None:
    shown = Placeholders()
    one, two = str(uuid4()), str(uuid4())
    assert shown(f"{one} {two} {one}").split() == [
        "0199b2c4-7a31-7c58-9d1e-000000000001",
        "0199b2c4-7a31-7c58-9d1e-000000000002",
        "0199b2c4-7a31-7c58-9d1e-000000000001",
    ]
    assert shown('{"created_at": "2026-11-24T01:00:00.123456Z", "starts_at": "2030-04-01T01:00:00Z"}') == (
        '{"created_at": "2030-03-01T00:15:00Z", "starts_at": "2030-04-01T01:00:00Z"}'
    )
    assert "hirakegoma" not in shown('{"password": "hirakegoma 12345"}')
