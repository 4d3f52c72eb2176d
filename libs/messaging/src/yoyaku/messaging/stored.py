"""Reading what a stream holds by direct gets: many messages a request, no consumer, one narrow permission.

The one permission is `$JS.API.DIRECT.GET.<stream>`; the stream must allow direct gets, as every one of ours does.
"""

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext

PAGE: Final = 500
TIMEOUT_SECONDS: Final = 5.0
_END: Final = "204"
_NOT_FOUND: Final = "404"


class StreamUnreadableError(Exception):
    """The server did not give what was asked of a stream."""


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """One message of a stream; `headers` are the publisher's, `stored_at` is aware UTC."""

    subject: str
    sequence: int
    stored_at: datetime
    headers: Mapping[str, str]
    data: bytes


async def read_message(js: JetStreamContext, stream: str, sequence: int) -> StoredMessage | None:
    """Read one message; `None` when the stream has none of that sequence. Raises StreamUnreadableError."""
    async with aclosing(_get(js, stream, {"seq": sequence})) as messages:
        async for message in messages:
            return message if message.sequence == sequence else None
    return None


async def read_stream(js: JetStreamContext, stream: str, *, subject: str = ">") -> AsyncGenerator[StoredMessage, None]:
    """Read what the stream holds for `subject`, by sequence, a page a request. Raises StreamUnreadableError."""
    after = 0
    while True:
        found = 0
        page = _get(js, stream, {"seq": after + 1, "next_by_subj": subject, "batch": PAGE})
        async with aclosing(page) as messages:
            async for message in messages:
                found += 1
                after = message.sequence
                yield message
        if found < PAGE:
            return


async def _get(js: JetStreamContext, stream: str, request: dict[str, Any]) -> AsyncGenerator[StoredMessage, None]:
    connection: Client = js._nc  # the context has no public way to it
    inbox = connection.new_inbox()
    subscription = await connection.subscribe(inbox)
    try:
        await connection.publish(f"$JS.API.DIRECT.GET.{stream}", json.dumps(request).encode(), reply=inbox)
        while True:
            answer = await subscription.next_msg(timeout=TIMEOUT_SECONDS)
            if (status := (answer.headers or {}).get("Status")) is not None:
                if status in (_END, _NOT_FOUND):
                    return
                raise StreamUnreadableError(f"{stream}: {status} {(answer.headers or {}).get('Description', '')}")
            yield _stored(answer)
            if "batch" not in request:
                return
    except TimeoutError as error:
        raise StreamUnreadableError(f"{stream}: no answer within {TIMEOUT_SECONDS:g} s") from error
    finally:
        await subscription.unsubscribe()


def _stored(answer: Msg) -> StoredMessage:
    headers = dict(answer.headers or {})
    return StoredMessage(
        subject=headers.pop("Nats-Subject"),
        sequence=int(headers.pop("Nats-Sequence")),
        stored_at=datetime.fromisoformat(headers.pop("Nats-Time-Stamp")[:26].rstrip("Z") + "+00:00"),
        headers={k: v for k, v in headers.items() if k not in _SERVER},
        data=answer.data,
    )


_SERVER: Final = frozenset({"Nats-Stream", "Nats-Num-Pending", "Nats-Last-Sequence", "Nats-UpTo-Sequence"})
