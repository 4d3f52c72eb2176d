"""How a command asks the audit log of a running system, and how it ends when that goes wrong.

Exit codes of every command: 0 done, 1 the audit log refused or a check failed, 2 wrong usage, 3 the bus or the audit
log cannot be reached.
"""

import asyncio
import shlex
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Final, NoReturn, TypeVar

import typer
from pydantic import BaseModel
from rich.console import Console
from rich.text import Text

from yoyaku.messaging.administration import BusUnreachableError, settings_for
from yoyaku.messaging.broker import BusError, ServiceBroker, make_broker, start_broker
from yoyaku.messaging.rpc import RpcFailedError, RpcUnavailableError, request
from yoyaku.messaging.topology import OPERATOR

EXIT_REFUSED: Final = 1
EXIT_USAGE: Final = 2
EXIT_UNREACHABLE: Final = 3
CONNECT_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 10.0
PIPED_WIDTH: Final = 400
"""Columns when nobody's terminal sets a limit: nothing is cut off for grep."""

err = Console(stderr=True, soft_wrap=True)

DataOption = Annotated[Path, typer.Option("--data", help="Data folder of a running system.", metavar="DIR")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
DATA: Final = Path(".yoyaku")

Told = TypeVar("Told")
ReplyT = TypeVar("ReplyT", bound=BaseModel)


class AuditLog:
    """The audit log as a command reaches it: questions over the bus, as the operator of the machine."""

    def __init__(self, broker: ServiceBroker) -> None:
        self._broker = broker

    async def ask(
        self, subject: str, question: BaseModel, reply: type[ReplyT], *, within_seconds: float = ANSWER_SECONDS
    ) -> ReplyT:
        """Ask. Raises RpcUnavailableError, or RpcFailedError with the answer's code."""
        return await request(self._broker, subject, question, reply, timeout_seconds=within_seconds)


@asynccontextmanager
async def audit_log_of(data: Path) -> AsyncIterator[AuditLog]:
    """Reach the audit log of the system that runs on a folder. Raises BusUnreachableError, BusError, TimeoutError."""
    broker = make_broker(settings_for(OPERATOR, data), service=OPERATOR)
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await start_broker(broker)
        yield AuditLog(broker)
    finally:
        await broker.stop()


def asked(data: Path, questions: Callable[[AuditLog], Awaitable[Told]]) -> Told:
    """Run what a command asks, and return what it was told; what goes wrong is one line and an exit code."""

    async def run() -> Told:
        async with audit_log_of(data) as log:
            return await questions(log)

    try:
        return asyncio.run(run())
    except RpcFailedError as error:
        fail(error.detail or error.code, EXIT_REFUSED)
    except (BusUnreachableError, BusError, RpcUnavailableError, TimeoutError, OSError) as error:
        fail(str(error) or "the bus does not answer: does the system run? See `yoyaku status`", EXIT_UNREACHABLE)


def fail(message: str, code: int) -> NoReturn:
    """End the command with one line for people and an exit code; nothing in the line is markup."""
    err.print(Text.assemble(("error:", "red"), " ", message))
    raise typer.Exit(code)


def tell(message: str, *, style: str = "") -> None:
    """Print one line for people beside the output; nothing in it is markup."""
    err.print(Text(message, style=style))


def trusting(verifier_keys: Iterable[str], witness_keys: Iterable[str]) -> str:
    """Return the options by which the offline verifier trusts these keys, as a shell takes them."""
    given = [("--key", key) for key in verifier_keys] or [("--key", "VKEY")]
    return shlex.join(word for option in [*given, *(("--witness", key) for key in witness_keys)] for word in option)
