"""A small HTTP/1.1 server for the telemetry store: asyncio and h11, a few megabytes in all.

Invariant: memory in flight is bounded. A body is at most `MAX_BODY_BYTES` as sent and as decompressed, all bodies
being read at one time at most `MAX_IN_FLIGHT_BYTES` (more is refused with 503 and Retry-After, which exporters obey),
connections at most `MAX_CONNECTIONS`; a sender that is slow is dropped.
"""

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

import h11

_MIB = 1024 * 1024
MAX_BODY_BYTES = 4 * _MIB
MAX_IN_FLIGHT_BYTES = 16 * _MIB
MAX_CONNECTIONS = 256
MAX_HEADER_BYTES = 16 * 1024
IDLE_SECONDS = 120.0
REQUEST_SECONDS = 20.0
_READ_BYTES = 64 * 1024
_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32


@dataclass(frozen=True, slots=True)
class Request:
    """A request read to its end, its body decompressed."""

    method: str
    path: str
    query: dict[str, str]
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Response:
    """An answer; `retry_after_seconds` asks the sender to come again."""

    status: int
    content_type: str
    body: bytes
    retry_after_seconds: int | None = None


Handler = Callable[[Request], Response]


class RefusedError(Exception):
    """The request is refused before its handler sees it; the connection closes after the answer."""

    def __init__(self, status: int, reason: str, *, retry_after_seconds: int | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.retry_after_seconds = retry_after_seconds


def decompressed(body: bytes, encoding: str, *, limit_bytes: int = MAX_BODY_BYTES) -> bytes:
    """Return the body without its Content-Encoding. Raises RefusedError: 400 broken, 413 too large, 415 unknown."""
    if encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "deflate"):
        raise RefusedError(415, f"Content-Encoding {encoding[:40]} is not supported")
    inflater = zlib.decompressobj(_GZIP_OR_ZLIB)
    try:
        plain = inflater.decompress(body, limit_bytes + 1)
    except zlib.error as error:
        raise RefusedError(400, "the body is not valid " + encoding) from error
    if len(plain) > limit_bytes:
        raise RefusedError(413, f"the body is larger than {limit_bytes} bytes when decompressed")
    if not inflater.eof or inflater.unused_data:
        raise RefusedError(400, "the body is not one whole " + encoding + " stream")
    return plain


class TelemetryServer:
    """Serves one handler; `handler` runs in the event loop and must not wait."""

    def __init__(self, handler: Handler, refusal_body: Callable[[str], bytes]) -> None:
        self._handler = handler
        self._refusal_body = refusal_body
        self._in_flight_bytes = 0
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; return the port (a free one when `port` is 0)."""
        self._server = await asyncio.start_server(self._connected, host, port, limit=_READ_BYTES)
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def stop(self) -> None:
        """Stop listening and close every connection."""
        if self._server is not None:
            self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) >= MAX_CONNECTIONS:
            writer.close()
            return
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = _Connection(reader, writer)
        try:
            while await self._one_exchange(connection):
                pass
        except (OSError, TimeoutError, asyncio.IncompleteReadError, h11.LocalProtocolError):
            pass
        finally:
            writer.close()

    async def _one_exchange(self, connection: "_Connection") -> bool:
        """Read one request and answer it; False when the connection is over."""
        head = await connection.next_request()
        if head is None:
            return False
        held = _Held(self)
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                request = await self._read(connection, head, held)
            answer = self._handler(request)
        except RefusedError as refused:
            answer = Response(
                refused.status,
                "application/x-protobuf",
                self._refusal_body(refused.reason),
                refused.retry_after_seconds,
            )
        except h11.RemoteProtocolError:
            answer = Response(400, "application/x-protobuf", self._refusal_body("this is not HTTP"))
        finally:
            held.release()
        async with asyncio.timeout(REQUEST_SECONDS):
            return await connection.answer(answer, head_only=head.method == b"HEAD")

    async def _read(self, connection: "_Connection", head: h11.Request, held: "_Held") -> Request:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers}
        declared = headers.get("content-length", "0")
        if len(declared) > 9 or int(declared) > MAX_BODY_BYTES:
            raise RefusedError(413, f"the body is larger than {MAX_BODY_BYTES} bytes")
        chunks: list[bytes] = []
        async for chunk in connection.body():
            held.take(len(chunk))
            chunks.append(chunk)
        target = urlsplit(head.target.decode("latin-1"))
        return Request(
            method=head.method.decode("latin-1"),
            path=unquote(target.path),
            query=dict(parse_qsl(target.query)),
            content_type=headers.get("content-type", "").partition(";")[0].strip().lower(),
            body=decompressed(b"".join(chunks), headers.get("content-encoding", "").strip().lower()),
        )

    def hold(self, size_bytes: int) -> None:
        """Count bytes of bodies being read. Raises RefusedError when all of them together are too many."""
        if self._in_flight_bytes + size_bytes > MAX_IN_FLIGHT_BYTES:
            raise RefusedError(503, "too many bodies at one time", retry_after_seconds=1)
        self._in_flight_bytes += size_bytes

    def release(self, size_bytes: int) -> None:
        """Give back what `hold` counted."""
        self._in_flight_bytes -= size_bytes


class _Held:
    """The share of one request in the bytes in flight."""

    def __init__(self, server: TelemetryServer) -> None:
        self._server = server
        self._size_bytes = 0

    def take(self, size_bytes: int) -> None:
        if self._size_bytes + size_bytes > MAX_BODY_BYTES:
            raise RefusedError(413, f"the body is larger than {MAX_BODY_BYTES} bytes")
        self._server.hold(size_bytes)
        self._size_bytes += size_bytes

    def release(self) -> None:
        self._server.release(self._size_bytes)


class _Connection:
    """One socket seen through h11."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEADER_BYTES)

    async def next_request(self) -> h11.Request | None:
        """Return the head of the next request; None when the peer has gone or speaks no HTTP."""
        try:
            event = await asyncio.wait_for(self._next_event(), IDLE_SECONDS)
        except h11.RemoteProtocolError:
            await self.answer(Response(400, "text/plain", b"this is not HTTP\n"), head_only=False)
            return None
        return event if isinstance(event, h11.Request) else None

    async def body(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives, having said 100-continue when that was asked for."""
        if self._h11.they_are_waiting_for_100_continue:
            self._send(h11.InformationalResponse(status_code=100, headers=[]))
        while isinstance(event := await self._next_event(), h11.Data):
            yield bytes(event.data)
        if not isinstance(event, h11.EndOfMessage):
            raise asyncio.IncompleteReadError(b"", None)

    async def answer(self, response: Response, *, head_only: bool) -> bool:
        """Send the answer; True when another request may follow on this connection."""
        if self._h11.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return False
        whole_request_read = self._h11.their_state in (h11.DONE, h11.MUST_CLOSE, h11.CLOSED)
        headers = [("content-type", response.content_type), ("content-length", str(len(response.body)))]
        if response.retry_after_seconds is not None:
            headers.append(("retry-after", str(response.retry_after_seconds)))
        if not whole_request_read:
            headers.append(("connection", "close"))
        self._send(h11.Response(status_code=response.status, headers=headers))
        if not head_only:
            self._send(h11.Data(data=response.body))
        self._send(h11.EndOfMessage())
        await self._writer.drain()
        if not self._both_done():
            return False
        self._h11.start_next_cycle()
        return True

    def _both_done(self) -> bool:
        return self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE

    def _send(self, event: h11.Event) -> None:
        data = self._h11.send(event)
        if data:
            self._writer.write(data)

    async def _next_event(self) -> object:
        while (event := self._h11.next_event()) is h11.NEED_DATA:
            self._h11.receive_data(await self._reader.read(_READ_BYTES))
        return event
