"""Signing in and out."""

import contextlib

from pydantic import SecretStr

from yoyaku.client.errors import NotAuthenticatedError, ProblemError, TransportError
from yoyaku.client.gateway import Gateway, Request, segment, understood
from yoyaku.client.keeper import SessionKeeper, sign_in_again
from yoyaku.client.models.sign_in import OpenSession, Tokens
from yoyaku.client.pages import Page
from yoyaku.client.resources.resource import Resource
from yoyaku.client.sessions import Session


class Auth(Resource):
    """Opens, renews and ends sessions."""

    def __init__(self, gateway: Gateway, keeper: SessionKeeper) -> None:
        super().__init__(gateway)
        self._keeper = keeper

    async def log_in(self, user_id: str, password: SecretStr | str) -> Session:
        """Sign in; further requests are signed with what comes of it. Raises NotAuthenticatedError."""
        secret = password.get_secret_value() if isinstance(password, SecretStr) else password
        body = {"user_id": user_id, "password": secret}
        answer = await self._gateway.send(Request(method="POST", path="/auth/login", body=body, signed=False))
        return await self._keeper.take(understood(Tokens, answer), user_id=user_id)

    async def refresh(self) -> Session:
        """Renew the session now, without waiting for its end. Raises NotAuthenticatedError: sign in again."""
        session = self._keeper.current
        if session is None:
            raise sign_in_again()
        return await self._keeper.renew(session)

    async def log_out(self) -> bool:
        """End the session here and, if it can be reached, at the gateway; return whether the gateway heard of it."""
        session = self._keeper.current
        if session is None:
            return True
        heard = False
        with contextlib.suppress(ProblemError, TransportError):
            heard = await self._told(session)
        await self._keeper.forget(session)
        return heard

    async def _told(self, session: Session) -> bool:
        request = Request(method="POST", path="/auth/logout", body={})
        try:
            await self._gateway.once(request, session)
        except NotAuthenticatedError:
            # The access token is over: the refresh token names the session as well, without being used up.
            if session.refresh_token is None:
                return True
            body = {"refresh_token": session.refresh_token.get_secret_value()}
            with contextlib.suppress(NotAuthenticatedError):
                await self._gateway.once(Request(method="POST", path="/auth/logout", body=body, signed=False), None)
        return True

    async def sessions(self) -> list[OpenSession]:
        """Return where the caller is signed in."""
        return list((await self._read(Page[OpenSession], "GET", "/auth/sessions")).items)

    async def end_session(self, session_id: str) -> None:
        """Sign out in one place."""
        await self._ask("DELETE", f"/auth/sessions/{segment(session_id)}")
