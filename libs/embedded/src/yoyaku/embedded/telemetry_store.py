"""The telemetry store: an OTLP/HTTP receiver that keeps the newest in memory, so that a trace is drawn without Docker.

Run as `python -m yoyaku.embedded.telemetry_store --host 127.0.0.1 --port N`. It takes traces, metrics and logs as
protobuf (gzip or plain) and answers questions about them as JSON. Nothing is written to disk. Memory is bounded
(telemetry_index, telemetry_http), and the process runs at lower priority, so that a flood of spans takes nothing
from the system that sends them. A real collector takes its place by setting OTEL_EXPORTER_OTLP_ENDPOINT.
"""

import argparse
import asyncio
import contextlib
import gc
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from yoyaku.embedded.telemetry_http import Request, Response, TelemetryServer
from yoyaku.embedded.telemetry_intake import TelemetryIntake
from yoyaku.embedded.telemetry_wire import MalformedRequestError, TooManyPartsError

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
HEALTH_JSON = "application/health+json"
MAX_LISTED = 1000
NICENESS = 10


def status_message(reason: str) -> bytes:
    """Return a google.rpc.Status holding this reason, which OTLP asks for in each refusal."""
    text = reason.encode()[:120]
    return bytes((0x12, len(text))) + text


class TelemetryRoutes:
    """Answers each request from the intake."""

    def __init__(self, intake: TelemetryIntake) -> None:
        self._intake = intake
        self._started = time.monotonic()
        self._posts: dict[str, Callable[[bytes], bytes]] = {
            "/v1/traces": self._take_traces,
            "/v1/metrics": self._take_metrics,
            "/v1/logs": self._take_logs,
        }
        self._gets: dict[str, Callable[[dict[str, str]], Response]] = {
            "/traces": self._list_traces,
            "/metrics": self._list_metrics,
            "/logs": self._list_logs,
            "/stats": lambda _: _json(self._stats()),
            "/health/live": lambda _: _json({"status": "pass"}, HEALTH_JSON),
            "/health/ready": lambda _: _json({"status": "pass"}, HEALTH_JSON),
            "/health/startup": lambda _: _json({"status": "pass"}, HEALTH_JSON),
        }

    def __call__(self, request: Request) -> Response:
        """Answer one request; never raises for what a client sends."""
        try:
            return self._route(request)
        except MalformedRequestError:
            return Response(400, PROTOBUF, status_message("the body is not an OTLP request in protobuf"))
        except TooManyPartsError:
            return Response(413, PROTOBUF, status_message("the body has too many parts"))
        except ValueError as error:
            return _problem(400, str(error))

    def _route(self, request: Request) -> Response:
        take, show = self._posts.get(request.path), self._gets.get(request.path)
        if take is not None:
            return self._take(take, request)
        if request.method not in ("GET", "HEAD"):
            return _problem(405, "use GET")
        if show is not None:
            return show(request.query)
        if request.path.startswith("/traces/"):
            return self._one_trace(request.path.removeprefix("/traces/"))
        return _problem(404, "nothing is here")

    def _take(self, take: Callable[[bytes], bytes], request: Request) -> Response:
        if request.method != "POST":
            return _problem(405, "use POST")
        if request.content_type != PROTOBUF:
            return Response(415, PROTOBUF, status_message(f"Content-Type must be {PROTOBUF}"))
        return Response(200, PROTOBUF, take(request.body))

    def _take_traces(self, body: bytes) -> bytes:
        answer = ExportTraceServiceResponse()
        if left_out := self._intake.take_traces(body).left_out:
            answer.partial_success.rejected_spans = left_out
            answer.partial_success.error_message = "spans without ids, or too large, or of a trace that is too large"
        return answer.SerializeToString()

    def _take_metrics(self, body: bytes) -> bytes:
        answer = ExportMetricsServiceResponse()
        if left_out := self._intake.take_metrics(body).left_out:
            answer.partial_success.rejected_data_points = left_out
            answer.partial_success.error_message = "metrics that are too large"
        return answer.SerializeToString()

    def _take_logs(self, body: bytes) -> bytes:
        answer = ExportLogsServiceResponse()
        if left_out := self._intake.take_logs(body).left_out:
            answer.partial_success.rejected_log_records = left_out
            answer.partial_success.error_message = "log records that are too large"
        return answer.SerializeToString()

    def _one_trace(self, trace_id: str) -> Response:
        found = self._intake.trace(_trace_id(trace_id))
        return _json(found) if found else _problem(404, "no span of this trace is held")

    def _list_traces(self, query: dict[str, str]) -> Response:
        found = self._intake.traces(service=query.get("service"), name=query.get("name"), limit=_limit(query))
        return _json(found)

    def _list_logs(self, query: dict[str, str]) -> Response:
        trace_id = _trace_id(query["trace_id"]) if "trace_id" in query else None
        return _json(self._intake.logs(trace_id=trace_id, service=query.get("service"), limit=_limit(query)))

    def _list_metrics(self, query: dict[str, str]) -> Response:
        return Response(200, JSON, self._intake.metrics(service=query.get("service"), name=query.get("name")))

    def _stats(self) -> dict[str, Any]:
        uptime_seconds = round(time.monotonic() - self._started, 3)
        return {
            **self._intake.stats(),
            "process": {"uptime_seconds": uptime_seconds, "peak_rss_bytes": peak_rss_bytes()},
        }


def peak_rss_bytes() -> int:
    """Return the most memory this process has had.

    getrusage is the second choice: on Linux it also counts what the parent had at the moment of the fork.
    """
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _json(value: Any, content_type: str = JSON) -> Response:
    return Response(200, content_type, json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def _problem(status: int, detail: str) -> Response:
    return Response(status, "application/problem+json", json.dumps({"status": status, "detail": detail}).encode())


def _trace_id(text: str) -> bytes:
    if len(text) != 32 or not text.isalnum():
        raise ValueError("a trace id is 32 hexadecimal digits")
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise ValueError("a trace id is 32 hexadecimal digits") from None


def _limit(query: dict[str, str]) -> int:
    text = query.get("limit", "20")
    if not (text.isascii() and text.isdecimal() and len(text) <= 6 and int(text) > 0):
        raise ValueError("limit must be a whole number from 1")
    return min(int(text), MAX_LISTED)


async def serve(host: str, port: int, stop: asyncio.Event, on_ready: Callable[[int], None]) -> None:
    """Serve until `stop` is set; `on_ready` gets the port."""
    server = TelemetryServer(TelemetryRoutes(TelemetryIntake()), status_message)
    on_ready(await server.start(host, port))
    try:
        await stop.wait()
    finally:
        await server.stop()


async def _serve_until_signal(host: str, port: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await serve(host, port, stop, lambda bound: _log("telemetry store ready", host=host, port=bound))
    _log("telemetry store stopped")


def _log(message: str, **fields: Any) -> None:
    line = {
        "time": datetime.now(UTC).isoformat(),
        "level": "INFO",
        "service": "telemetry-store",
        "message": message,
        **fields,
    }
    sys.stderr.write(json.dumps(line) + "\n")
    sys.stderr.flush()


def main() -> None:
    """Run the store until SIGTERM; exit 0, or 1 when the port is taken."""
    parser = argparse.ArgumentParser(prog="yoyaku.embedded.telemetry_store", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True, help="0 takes a free one, named in the first log line")
    arguments = parser.parse_args()
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    gc.freeze()
    try:
        asyncio.run(_serve_until_signal(arguments.host, arguments.port))
    except OSError as error:
        _log("telemetry store cannot listen", host=arguments.host, port=arguments.port, reason=str(error))
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
