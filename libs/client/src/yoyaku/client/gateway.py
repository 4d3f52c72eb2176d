"""One request to the gateway: signed, tried again where that is safe, its refusal raised as an error.

Invariant: a token is only ever sent to the gateway's own address; no redirect is followed.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, SecretStr, ValidationError

from yoyaku.client.errors import NotAuthenticatedError, TransportError, problem_of
from yoyaku.client.keeper import SessionKeeper, sign_in_again
from yoyaku.client.models.sign_in import Tokens
from yoyaku.client.retrying import Patience, persistently
from yoyaku.client.sessions import Session

API: Final = "/api/v1"
KEY_HEADER: Final = "Idempotency-Key"
_NEVER_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
Read = TypeVar("Read", bound=BaseModel)
_READS: Final = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked. `path` follows the API's prefix."""

    method: str
    path: str
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    signed: bool = True

    @property
    def repeatable(self) -> bool:
        """True when doing it twice is as doing it once."""
        return self.method in _READS or KEY_HEADER in self.headers


class Gateway:
    """Sends requests to one gateway."""

    def __init__(self, http: httpx.AsyncClient, patience: Patience) -> None:
        self._http = http
        self._patience = patience
        self._keeper: SessionKeeper | None = None

    def signed_by(self, keeper: SessionKeeper) -> None:
        """Sign requests with the sessions of this keeper."""
        self._keeper = keeper

    @property
    def session(self) -> Session | None:
        """The session in use."""
        return self._keeper.current if self._keeper is not None else None

    async def send(self, request: Request) -> httpx.Response:
        """Return the answer below 400. Raises ProblemError, TransportError.

        A 401 is answered by one refresh and one further try; a second 401 is raised.
        """
        if not request.signed:
            return await self._persistently(request, None)
        session = self.session
        if session is None or self._keeper is None:
            raise sign_in_again()
        try:
            return await self._persistently(request, session)
        except NotAuthenticatedError:
            if session.refresh_token is None:
                raise
            renewed = await self._keeper.renew(session)
        return await self._persistently(request, renewed)

    async def _persistently(self, request: Request, session: Session | None) -> httpx.Response:
        if not request.repeatable:
            return await self.once(request, session)
        try:
            async with asyncio.timeout(self._patience.total_seconds):
                return await persistently(lambda: self.once(request, session), self._patience)
        except TimeoutError:
            raise TransportError(f"no answer within {self._patience.total_seconds:g} s") from None

    async def once(self, request: Request, session: Session | None) -> httpx.Response:
        """Send a request one time. Raises ProblemError, TransportError."""
        headers = dict(request.headers)
        if session is not None:
            headers["Authorization"] = f"Bearer {session.access_token.get_secret_value()}"
        query = {name: value for name, value in request.query.items() if value is not None}
        try:
            async with asyncio.timeout(self._patience.attempt_seconds):
                response = await self._http.request(
                    request.method, API + request.path, params=query or None, json=request.body, headers=headers
                )
        except TimeoutError:
            raise TransportError(f"no answer within {self._patience.attempt_seconds:g} s") from None
        except (httpx.TransportError, httpx.DecodingError) as error:
            sent = not isinstance(error, _NEVER_SENT)
            raise TransportError(_in_words(error, self._http.base_url), sent=sent) from None
        if response.status_code >= 300:
            raise problem_of(response)
        return response

    async def exchange(self, refresh_token: SecretStr) -> Tokens:
        """Send one refresh, one time. Raises what `once` raises."""
        body = {"refresh_token": refresh_token.get_secret_value()}
        request = Request(method="POST", path="/auth/refresh", body=body, signed=False)
        return understood(Tokens, await self.once(request, None))


def understood(model: type[Read], response: httpx.Response) -> Read:
    """Read an answer. Raises TransportError when it is not what the API gives."""
    try:
        return model.model_validate_json(response.content)
    except ValidationError as error:
        fields = ", ".join(".".join(map(str, wrong["loc"])) for wrong in error.errors(include_input=False)) or "JSON"
        raise TransportError(f"the answer cannot be read as {model.__name__}: {fields}") from None


def following(request: Request, response: httpx.Response) -> Request | None:
    """Return the request for the page after this one; None behind the last.

    Only the query of the link is taken, so that no answer can send a token elsewhere.
    """
    link = response.links.get("next")
    if link is None or "url" not in link:
        return None
    parameters = httpx.URL(link["url"]).params
    return replace(request, query={name: parameters.get_list(name) for name in parameters})


def segment(value: str | int) -> str:
    """Return a value as one segment of a path, whatever is in it."""
    return quote(str(value), safe="")


def _in_words(error: Exception, base_url: httpx.URL) -> str:
    said = str(error) or type(error).__name__
    return f"{base_url.copy_with(userinfo=b'')}: {said}"
