"""What the resources share: one way to ask and to read the answer."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, TypeVar

import httpx

from yoyaku.client.gateway import Gateway, Request, understood
from yoyaku.client.models.answer import Answer
from yoyaku.client.pages import Pages

Read = TypeVar("Read", bound=Answer)


class Resource:
    """A part of the API, reached through one gateway."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        request = Request(method=method, path=path, query=query or {}, body=body, headers=headers or {})
        return await self._gateway.send(request)

    async def _read(self, model: type[Read], method: str, path: str, **how: Any) -> Read:
        return understood(model, await self._ask(method, path, **how))

    def _pages(self, path: str, item: type[Read], query: Mapping[str, Any]) -> Pages[Read]:
        return Pages(self._gateway, Request(method="GET", path=path, query=query), item)


def given(**values: Any) -> dict[str, Any]:
    """Return the values that were given, as JSON takes them: None is left out, moments are RFC 3339."""
    return {name: _plain(value) for name, value in values.items() if value is not None}


def if_match(etag: str | None) -> dict[str, str]:
    """Return the header that refuses a change of something that was changed meanwhile."""
    return {} if etag is None else {"If-Match": etag}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        if value.utcoffset() is None:
            raise ValueError("a moment needs its offset from UTC")
        return value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, tuple | set | frozenset):
        return list(value)
    return value
