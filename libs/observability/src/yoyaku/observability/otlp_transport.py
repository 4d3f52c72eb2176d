"""The few bytes of HTTP that OTLP needs, over the standard library.

The exporters' own transports import requests or urllib3, some megabytes in each of nine processes; this one imports
nothing. Invariant: a transport is used by one exporter, whose calls are serialised by its batch processor.
"""

import http.client
import os
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, cast
from urllib.parse import SplitResult, urlsplit

from opentelemetry.exporter.http.transport._base import BaseHTTPResult, BaseHTTPTransport
from opentelemetry.sdk.environment_variables import (
    OTEL_EXPORTER_OTLP_CERTIFICATE,
    OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE,
    OTEL_EXPORTER_OTLP_CLIENT_KEY,
)

_ANSWER_SECONDS: Final = 3.0
"""A collector that accepts and never answers cannot hold a shutdown up for longer."""

_FIRST_PAUSE_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class HttpResult(BaseHTTPResult):
    """A response read to its end, or the error that came instead."""

    body: bytes = b""
    response_headers: Mapping[str, str] = field(default_factory=dict)

    def content(self) -> bytes:
        """Return the response body."""
        return self.body

    def headers(self) -> Mapping[str, str]:
        """Return the response headers, case-insensitive."""
        return self.response_headers


class HttpTransport(BaseHTTPTransport):
    """One kept-alive connection to one collector."""

    def __init__(self) -> None:
        self._connection: http.client.HTTPConnection | None = None
        self._draining = threading.Event()

    def stop_retrying(self) -> None:
        """Try once more instead of waiting, also in a request that waits now: the process is about to end."""
        self._draining.set()

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: dict[str, str] | None = None,
        timeout: float | None = None,
        data: bytes | None = None,
    ) -> BaseHTTPResult:
        """Send one request and read the answer, connecting again until `timeout`; errors are returned, not raised."""
        end = time.monotonic() + (timeout or _ANSWER_SECONDS)
        pause = 0.0 if self._connection is not None else _FIRST_PAUSE_SECONDS  # a kept connection may just be stale
        last_try = False
        while True:
            try:
                return self._send(method, urlsplit(url), headers or {}, data)
            except (ConnectionError, http.client.HTTPException) as exc:
                self.close()
                if last_try or time.monotonic() + pause >= end:
                    return HttpResult(error=exc)
                last_try = self._draining.wait(pause)
                pause = max(2 * pause, _FIRST_PAUSE_SECONDS)
            except OSError as exc:  # no answer in time, no such host, a certificate that is wrong
                self.close()
                return HttpResult(error=exc)

    def close(self) -> None:
        """Drop the connection; the next request opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def is_connection_error(self, exception: Exception | None) -> bool:
        """Say no: connecting again has been tried here, where the end of the process can interrupt it."""
        del exception
        return False

    def _send(self, method: str, target: SplitResult, headers: dict[str, str], data: bytes | None) -> HttpResult:
        connection = self._connected(target)
        path = f"{target.path}?{target.query}" if target.query else target.path
        connection.request(method, path, body=data, headers=headers)
        response = connection.getresponse()
        body = response.read()
        if response.will_close:
            self.close()
        headers_read = cast("Mapping[str, str]", response.headers)
        return HttpResult(response.status, response.reason, body=body, response_headers=headers_read)

    def _connected(self, target: SplitResult) -> http.client.HTTPConnection:
        if self._connection is None:
            host = target.hostname or "localhost"
            self._connection = (
                http.client.HTTPSConnection(host, target.port, timeout=_ANSWER_SECONDS, context=_tls_context())
                if target.scheme == "https"
                else http.client.HTTPConnection(host, target.port, timeout=_ANSWER_SECONDS)
            )
        return self._connection


def _tls_context() -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=os.environ.get(OTEL_EXPORTER_OTLP_CERTIFICATE))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    certificate = os.environ.get(OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE)
    if certificate:
        context.load_cert_chain(certificate, os.environ.get(OTEL_EXPORTER_OTLP_CLIENT_KEY))
    return context
