"""As much of S3 as the archive asks for: conditional PUT, GET, DELETE, DeleteObjects and ListObjectsV2."""

import re
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape, unescape


class SmallS3:
    """One bucket, named `bucket`. `refuses`: every request is answered 403."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.refuses = False
        self.authorizations: set[str] = set()
        self.lock = threading.Lock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        store = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *arguments: object) -> None:
                pass

            def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def handle_request(self) -> None:
                parts = urlsplit(self.path)
                name = unquote(parts.path).removeprefix("/bucket").lstrip("/")
                store.authorizations.add(self.headers.get("Authorization", "").partition("/")[0])
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                with store.lock:
                    if store.refuses:
                        self.answer(403, b"<Error><Code>AccessDenied</Code></Error>")
                    elif self.command == "PUT":
                        self.put(name, body)
                    elif self.command == "DELETE":
                        store.objects.pop(name, None)
                        self.answer(204)
                    elif self.command == "POST":
                        self.delete(re.findall(r"<Key>([^<]*)</Key>", body.decode()))
                    elif "list-type" in parts.query:
                        self.list(parse_qs(parts.query))
                    elif name in store.objects:
                        data = store.objects[name]
                        self.answer(200, data, ETag=_etag(data), Last_Modified="Tue, 24 Nov 2026 00:00:00 GMT")
                    else:
                        self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_request  # noqa: N815

            def put(self, name: str, body: bytes) -> None:
                if self.headers.get("If-None-Match") == "*" and name in store.objects:
                    self.answer(412, b"<Error><Code>PreconditionFailed</Code></Error>")
                    return
                store.objects[name] = body
                self.answer(200, ETag=_etag(body))

            def delete(self, keys: Collection[str]) -> None:
                for key in keys:
                    store.objects.pop(unescape(key), None)
                deleted = "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in keys)
                self.answer(200, f"<DeleteResult>{deleted}</DeleteResult>".encode())

            def list(self, query: dict[str, list[str]]) -> None:
                prefix, after = query.get("prefix", [""])[0], query.get("start-after", [""])[0]
                contents = "".join(
                    f"<Contents><Key>{escape(name)}</Key><LastModified>2026-11-24T00:00:00.000Z</LastModified>"
                    f'<ETag>"e"</ETag><Size>{len(data)}</Size><StorageClass>STANDARD</StorageClass></Contents>'
                    for name, data in sorted(store.objects.items())
                    if name.startswith(prefix) and name > after
                )
                answer = f"<ListBucketResult><IsTruncated>false</IsTruncated>{contents}</ListBucketResult>"
                self.answer(200, answer.encode())

        return Handler


def _etag(data: bytes) -> str:
    return f'"{sha256(data).hexdigest()[:32]}"'


@contextmanager
def small_s3() -> Iterator[SmallS3]:
    """Serve an empty bucket for the time of the block."""
    store = SmallS3()
    thread = threading.Thread(target=store.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield store
    finally:
        store.server.shutdown()
        thread.join()
        store.server.server_close()
