"""Runs a command's work with a client that is signed in, and says what went wrong in words and exit code."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NoReturn

import typer

from yoyaku.client.client import Client, checked_url
from yoyaku.client.commands import exits
from yoyaku.client.commands.exits import UsageError
from yoyaku.client.commands.offers import show_offers
from yoyaku.client.commands.screen import Screen
from yoyaku.client.commands.texts import JAPANESE
from yoyaku.client.errors import (
    NotAuthenticatedError,
    PreconditionFailedError,
    ProblemError,
    SessionStoreError,
    TooManyRequestsError,
    TransportError,
    UnavailableError,
)
from yoyaku.client.session_file import FileSessions

Work = Callable[[Client], Awaitable[None]]


def run(screen: Screen, work: Work, *, ask: Callable[[], None] | None = None, offer_words: Sequence[str] = ()) -> None:
    """Do the work; every known failure ends the program with its exit code and a sentence.

    `ask` puts the questions to the person first: inside the event loop Ctrl-C would not end a prompt. `offer_words` are
    options that the command of each offered alternative repeats.
    """
    try:
        checked_url(screen.url)
    except ValueError as error:
        _stop(screen, exits.USAGE, screen.say("bad-url", why=error), code="bad-url")
    try:
        if ask is not None:
            ask()
        asyncio.run(_with_client(screen, work))
    except UsageError as error:
        _stop(screen, exits.USAGE, screen.say(error.text, **error.facts), code=error.text)
    except SessionStoreError as error:
        _stop(screen, exits.UNAVAILABLE, str(error), code="session-store")
    except TransportError as error:
        text = screen.say("outcome-unknown") if error.sent else screen.say("unreachable", why=error)
        _stop(screen, exits.UNAVAILABLE, text, code="no-answer" if error.sent else "unreachable")
    except ProblemError as error:
        _refused(screen, error, offer_words)


async def _with_client(screen: Screen, work: Work) -> None:
    language = "ja, en;q=0.5" if screen.language == JAPANESE else "en"
    async with Client(screen.url, session=FileSessions(screen.url), language=language) as client:
        await work(client)


def exit_code_of(error: ProblemError) -> int:
    """Return the exit code that says what kind of refusal this is."""
    if isinstance(error, NotAuthenticatedError):
        return exits.NOT_SIGNED_IN
    if isinstance(error, UnavailableError | TooManyRequestsError) or error.status >= 500:
        return exits.UNAVAILABLE
    return exits.REFUSED


def _refused(screen: Screen, error: ProblemError, offer_words: Sequence[str]) -> NoReturn:
    code = exit_code_of(error)
    if screen.as_json:
        screen.document({"error": _document(error)})
        raise typer.Exit(code)
    if code == exits.NOT_SIGNED_IN and error.code != "sign-in-failed":
        screen.fail(screen.say("sign-in-first", url=screen.url, command=screen.command("login")))
        raise typer.Exit(code)
    screen.fail(_sentence(error))
    for wrong in error.errors:
        screen.err.print(f"  {wrong.field}: {wrong.message or wrong.code}", markup=False)
    if isinstance(error, PreconditionFailedError):
        screen.note(screen.say("changed-meanwhile"))
    if error.retry_after_seconds is not None:
        screen.note(screen.say("retry-later", seconds=f"{error.retry_after_seconds:.0f}"))
    show_offers(screen, error.alternatives, words=offer_words)
    if code == exits.UNAVAILABLE and error.trace_id:
        screen.note(screen.say("trace", trace_id=error.trace_id))
    raise typer.Exit(code)


def _sentence(error: ProblemError) -> str:
    title = error.title.rstrip(".")
    if error.errors or not error.detail or error.detail == error.title:
        return title
    return f"{title}: {error.detail}"


def _document(error: ProblemError) -> dict[str, Any]:
    return {
        "status": error.status,
        "code": error.code,
        "title": error.title,
        "detail": error.detail,
        "errors": error.errors,
        "alternatives": error.alternatives,
        "trace_id": error.trace_id,
        **error.facts,
    }


def _stop(screen: Screen, exit_code: int, text: str, *, code: str) -> NoReturn:
    if screen.as_json:
        screen.document({"error": {"code": code, "title": text}})
    else:
        screen.fail(text)
    raise typer.Exit(exit_code)
