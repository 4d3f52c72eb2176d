"""Lists that come in pages, as one stream of items."""

from collections.abc import AsyncIterator
from typing import Generic, TypeVar

from pydantic import ConfigDict

from yoyaku.client.gateway import Gateway, Request, following, understood
from yoyaku.client.models.answer import Answer

Item = TypeVar("Item", bound=Answer)


class Page(Answer, Generic[Item]):
    """One page of a list."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    items: tuple[Item, ...]


class Pages(Generic[Item]):
    """The items of a list in order; the next page is asked for when the last one is used up.

    Iterating again asks again.
    """

    def __init__(self, gateway: Gateway, request: Request, item: type[Item]) -> None:
        self._gateway = gateway
        self._request = request
        self._item = item

    async def __aiter__(self) -> AsyncIterator[Item]:
        request: Request | None = self._request
        while request is not None:
            response = await self._gateway.send(request)
            for item in understood(Page[self._item], response).items:  # type: ignore[name-defined]
                yield item
            request = following(request, response)

    async def all(self, limit: int | None = None) -> list[Item]:
        """Return the items, at most `limit` of them."""
        found: list[Item] = []
        if limit is not None and limit <= 0:
            return found
        async for item in self:
            found.append(item)
            if len(found) == limit:
                break
        return found
