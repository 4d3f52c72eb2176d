"""A collector in a thread, and a way to run a program under `observed` in its own process."""

import gzip
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

REQUESTS = {
    "/v1/traces": ExportTraceServiceRequest,
    "/v1/metrics": ExportMetricsServiceRequest,
    "/v1/logs": ExportLogsServiceRequest,
}


@dataclass
class Collector:
    """Keeps what it is sent, decoded and raw."""

    endpoint: str = ""
    raw: list[bytes] = field(default_factory=list)
    messages: list[Any] = field(default_factory=list)

    def received(self, path: str) -> list[Any]:
        return [message for message in self.messages if isinstance(message, REQUESTS[path])]

    def spans(self) -> list[Any]:
        return [
            span
            for message in self.received("/v1/traces")
            for resource in message.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def metrics(self) -> dict[str, Any]:
        return {
            metric.name: metric
            for message in self.received("/v1/metrics")
            for resource in message.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }

    def logs(self) -> list[Any]:
        return [
            record
            for message in self.received("/v1/logs")
            for resource in message.resource_logs
            for scope in resource.scope_logs
            for record in scope.log_records
        ]


@contextmanager
def collecting(port: int = 0) -> Iterator[Collector]:
    kept = Collector()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            kept.raw.append(body)
            kept.messages.append(REQUESTS[self.path].FromString(body))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    kept.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield kept
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as kept:
        yield kept


@pytest.fixture
def collecting_on() -> Callable[[int], AbstractContextManager[Collector]]:
    """Start a collector on a port of the test's choice."""
    return collecting


@dataclass
class Ran:
    """How a program ended and what it wrote."""

    code: int
    stdout: str
    stderr: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stderr.splitlines()]


class Runner:
    """Runs a body of code inside `observed` in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, body: str, *, after: str = "", environ: dict[str, str] | None = None, **settings: Any) -> Ran:
        indented = "\n".join("    " + line for line in body.strip().splitlines())
        program = f"""
import asyncio, json, logging, os, sys, time
from loguru import logger
from yoyaku.observability import ObservabilitySettings, current_traceparent, meter, observed, tracer
settings = ObservabilitySettings.model_validate_json({json.dumps(json.dumps(settings))})
with observed("booking", version="1.2.3", settings=settings, instance_id="one"):
{indented}
{after}
"""
        file = self.folder / "program.py"
        file.write_text(program)
        clean = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
        ended = subprocess.run(
            [sys.executable, file],
            env={**clean, **(environ or {})},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Ran(ended.returncode, ended.stdout, ended.stderr)


@pytest.fixture
def run(tmp_path: Path) -> Runner:
    return Runner(tmp_path)
