"""`yoyaku login`: opens a session and keeps it for the commands that follow."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from pydantic import SecretStr

from yoyaku.client.client import Client
from yoyaku.client.commands.exits import UsageError
from yoyaku.client.commands.options import DEFAULT_URL, Json, Url
from yoyaku.client.commands.running import run
from yoyaku.client.commands.screen import Screen


def login(
    user_id: Annotated[str | None, typer.Argument(help="Who you are; asked for when left out.")] = None,
    *,
    password_file: Annotated[
        str | None,
        typer.Option("--password-file", help="Read the password from this file's first line; - is standard input."),
    ] = None,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """Sign in, and stay signed in for 30 days from the last use.

    The password is asked for, or read from a file: never an argument, where other people of this machine could see it.
    """
    screen = Screen(url, as_json=as_json)

    who, password = user_id or "", SecretStr("")

    def ask() -> None:
        nonlocal who, password
        who = who or _asked_user_id(screen)
        password = _password(screen, password_file)

    async def work(client: Client) -> None:
        session = await client.auth.log_in(who, password)
        if as_json:
            ends = session.refresh_expires_at or session.expires_at
            screen.document({"url": screen.url, "user_id": who, "expires_at": ends.isoformat()})
        else:
            screen.line(screen.say("signed-in", url=screen.url, user_id=who))

    run(screen, work, ask=ask)


def _asked_user_id(screen: Screen) -> str:
    if not sys.stdin.isatty():
        raise UsageError("no-user-id")
    return str(typer.prompt(screen.say("user-id"), err=True))


def _password(screen: Screen, file: str | None) -> SecretStr:
    if file == "-":
        return SecretStr(sys.stdin.readline().rstrip("\r\n"))
    if file is not None:
        try:
            lines = Path(file).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "UTF-8"
            raise UsageError("bad-password-file", path=file, why=why) from None
        return SecretStr(lines[0] if lines else "")
    if not sys.stdin.isatty():
        raise UsageError("no-password")
    return SecretStr(typer.prompt(screen.say("password"), hide_input=True, err=True))
