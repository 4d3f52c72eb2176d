"""People, managed by an ADMIN, and the caller as a person."""

from typing import Any

from pydantic import SecretStr

from yoyaku.client.gateway import segment
from yoyaku.client.models.people import PasswordReset, Person
from yoyaku.client.pages import Pages
from yoyaku.client.resources.resource import Resource, given, if_match


class People(Resource):
    """Those who sign in."""

    def list(
        self, *, role: str | None = None, disabled: bool | None = None, search: str | None = None, page: int = 200
    ) -> Pages[Person]:
        """Return people who meet all that is named."""
        query = given(role=role, disabled=None if disabled is None else str(disabled).lower(), q=search, limit=page)
        return self._pages("/users", Person, query)

    async def create(self, *, user_id: str, display_name: str, role: str, password: SecretStr | str) -> Person:
        """Let somebody in. Raises ConflictError when the user id is taken."""
        body = {"user_id": user_id, "display_name": display_name, "role": role, "password": _told(password)}
        return await self._read(Person, "POST", "/users", body=body)

    async def me(self) -> Person:
        """Return the caller."""
        return await self._read(Person, "GET", "/users/me")

    async def get(self, person_id: str) -> Person:
        """Return one person. Raises NotFoundError."""
        return await self._read(Person, "GET", _path(person_id))

    async def change(self, person_id: str, *, etag: str, **changes: Any) -> Person:
        """Change display name or role, if nobody else did since `etag` was read. Raises PreconditionFailedError."""
        return await self._read(Person, "PATCH", _path(person_id), body=changes, headers=if_match(etag))

    async def disable(self, person_id: str) -> None:
        """Refuse somebody from now on. Raises ConflictError for the last active ADMIN."""
        await self._ask("POST", f"{_path(person_id)}/disable")

    async def enable(self, person_id: str) -> None:
        """Let somebody in again."""
        await self._ask("POST", f"{_path(person_id)}/enable")

    async def reset_password(self, person_id: str, password: SecretStr | str | None = None) -> PasswordReset:
        """Set a password, or have one generated, which the answer tells once."""
        body = {} if password is None else {"password": _told(password)}
        return await self._read(PasswordReset, "POST", f"{_path(person_id)}/reset-password", body=body)

    async def change_password(self, *, current: SecretStr | str, new: SecretStr | str) -> None:
        """Change the caller's own password."""
        body = {"current_password": _told(current), "new_password": _told(new)}
        await self._ask("PUT", "/users/me/password", body=body)


def _path(person_id: str) -> str:
    return f"/users/{segment(person_id)}"


def _told(password: SecretStr | str) -> str:
    return password.get_secret_value() if isinstance(password, SecretStr) else password
