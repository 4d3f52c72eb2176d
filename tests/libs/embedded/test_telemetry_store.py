"""The store as its own process, fed by the exporters of the OpenTelemetry SDK and by hand."""

import asyncio
import gzip
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import httpx
import pytest
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode

from yoyaku.embedded.telemetry_client import TelemetryClient

OTLP = {"content-type": "application/x-protobuf"}

pytestmark = pytest.mark.requirement("OB-01")


@pytest.fixture(scope="module")
def store() -> Iterator[httpx.Client]:
    command = [sys.executable, "-m", "yoyaku.embedded.telemetry_store", "--port", "0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    port = json.loads(process.stderr.readline())["port"]
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60) as client:
            yield client
    finally:
        process.terminate()
        assert process.wait(10) == 0


def url(store: httpx.Client, path: str = "") -> str:
    return str(store.base_url).rstrip("/") + path


def traces_request(trace_id: bytes, *names: str, size_bytes: int = 0, service: str = "booking") -> bytes:
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    attribute = group.resource.attributes.add()
    attribute.key, attribute.value.string_value = "service.name", service
    spans = group.scope_spans.add().spans
    for name in names:
        span = spans.add(
            trace_id=trace_id, span_id=os.urandom(8), name=name, start_time_unix_nano=5, end_time_unix_nano=9
        )
        if size_bytes:
            padding = span.attributes.add()
            padding.key, padding.value.string_value = "padding", "x" * size_bytes
    return request.SerializeToString()


@pytest.mark.parametrize("compression", [Compression.Gzip, Compression.NoCompression])
def test_spans_of_the_sdk_come_back_as_one_trace(store: httpx.Client, compression: Compression) -> None:
    provider = TracerProvider(resource=Resource({"service.name": "booking"}))
    provider.add_span_processor(
        SimpleSpanProcessor(OTLPSpanExporter(url(store, "/v1/traces"), compression=compression))
    )
    tracer = provider.get_tracer("test")
    with (
        tracer.start_as_current_span("POST /rooms", kind=SpanKind.SERVER) as root,
        tracer.start_as_current_span("INSERT", attributes={"db.rows": 3, "tags": ["a", "b"]}) as child,
    ):
        child.set_status(Status(StatusCode.ERROR, "room exists"))
        child.add_event("noted", {"ok": True})
    provider.shutdown()
    trace_id = format(root.get_span_context().trace_id, "032x")

    found = store.get(f"/traces/{trace_id}").json()

    assert [span["name"] for span in found["spans"]] == ["POST /rooms", "INSERT"]
    assert (found["root_name"], found["root_service"], found["error_count"]) == ("POST /rooms", "booking", 1)
    parent, inner = found["spans"]
    assert (parent["kind"], parent["parent_span_id"]) == ("server", None)
    assert inner["parent_span_id"] == parent["span_id"]
    assert (inner["status"], inner["status_message"]) == ("error", "room exists")
    assert inner["attributes"] == {"db.rows": 3, "tags": ["a", "b"]}
    assert inner["events"][0]["attributes"] == {"ok": True}
    listed = store.get("/traces", params={"service": "booking", "name": "POST /rooms"}).json()
    assert trace_id in [summary["trace_id"] for summary in listed]


def test_metrics_of_the_sdk_show_their_latest_values(store: httpx.Client) -> None:
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(url(store, "/v1/metrics")), 3_600_000)
    resource = Resource({"service.name": "audit-log", "service.instance.id": "a1"})
    provider = MeterProvider([reader], resource=resource)
    meter = provider.get_meter("test")
    counter, histogram = meter.create_counter("entries", "{entry}"), meter.create_histogram("age", "s")
    for _ in range(2):
        counter.add(3, {"stream": "BOOKING"})
        histogram.record(0.25)
        provider.force_flush()
    provider.shutdown()

    [entries] = store.get("/metrics", params={"service": "audit-log", "name": "entries"}).json()
    [age] = store.get("/metrics", params={"service": "audit-log", "name": "age"}).json()

    assert (entries["value"], entries["attributes"], entries["instance"]) == (6, {"stream": "BOOKING"}, "a1")
    assert (age["count"], age["sum"], age["unit"]) == (2, 0.5, "s")


def test_log_lines_hang_at_their_trace(store: httpx.Client) -> None:
    trace_id, request = os.urandom(16), ExportLogsServiceRequest()
    records = request.resource_logs.add().scope_logs.add().log_records
    for number in (2, 1):
        record = records.add(trace_id=trace_id, span_id=b"spanspan", time_unix_nano=number, severity_text="WARNING")
        record.body.string_value = f"line {number}"
    assert store.post("/v1/logs", content=request.SerializeToString(), headers=OTLP).status_code == 200
    store.post("/v1/traces", content=traces_request(trace_id, "work"), headers=OTLP)

    in_trace = store.get(f"/traces/{trace_id.hex()}").json()["logs"]
    alone = store.get("/logs", params={"trace_id": trace_id.hex()}).json()

    assert [line["body"] for line in in_trace] == ["line 1", "line 2"]
    assert [line["body"] for line in alone] == ["line 2", "line 1"]
    assert in_trace[0]["severity"] == "WARNING"


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"\xff not protobuf", {}, 400),
        (b"{}", {"content-type": "application/json"}, 415),
        (b"broken", {"content-encoding": "gzip"}, 400),
        (gzip.compress(bytes(5 * 1024 * 1024)), {"content-encoding": "gzip"}, 413),
        (bytes(4 * 1024 * 1024 + 1), {}, 413),
        (b"\x0a\x00" * 1024 * 1024, {}, 413),
    ],
)
def test_bad_bodies_are_refused(store: httpx.Client, content: bytes, headers: dict[str, str], status: int) -> None:
    before = store.get("/stats").json()["held"]
    try:
        answer = store.post("/v1/traces", content=content, headers={**OTLP, **headers})
    except httpx.WriteError:
        pytest.fail("the refusal must reach the sender")
    assert answer.status_code == status
    assert answer.content.startswith(b"\x12")
    assert store.get("/stats").json()["held"] == before


def test_a_spoiled_span_makes_the_whole_body_fail_and_change_nothing(store: httpx.Client) -> None:
    trace_id = os.urandom(16)
    body = traces_request(trace_id, "good", "spoiled").replace(b"\x2a\x07spoiled", b"\x2a\x7fspoiled")
    assert store.post("/v1/traces", content=body, headers=OTLP).status_code == 400
    assert store.get(f"/traces/{trace_id.hex()}").status_code == 404


def test_spans_without_ids_or_too_large_are_named_in_the_answer(store: httpx.Client) -> None:
    no_id = traces_request(b"short", "one", "two")
    too_large = traces_request(os.urandom(16), "big", size_bytes=70_000)
    for body, left_out in ((no_id, 2), (too_large, 1)):
        answer = store.post("/v1/traces", content=body, headers=OTLP)
        said = ExportTraceServiceResponse.FromString(answer.content).partial_success
        assert (answer.status_code, said.rejected_spans) == (200, left_out)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/traces/zz", 400),
        ("/traces/" + "0" * 32, 404),
        ("/traces?limit=-1", 400),
        ("/traces?limit=x", 400),
        ("/v1/traces", 405),
        ("/nothing", 404),
        ("/health/ready", 200),
        ("/health/live", 200),
    ],
)
def test_questions_are_answered_with_their_status(store: httpx.Client, path: str, status: int) -> None:
    assert store.get(path).status_code == status


def test_what_is_not_http_is_closed_and_the_store_goes_on(store: httpx.Client) -> None:
    with socket.create_connection((store.base_url.host, store.base_url.port or 0), timeout=10) as raw:
        raw.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        assert b"400" in raw.recv(4096)
    with socket.create_connection((store.base_url.host, store.base_url.port or 0), timeout=10) as raw:
        raw.sendall(b"GET / HTTP/1.1\r\nhost: x\r\nx: " + b"y" * 100_000)
        assert raw.recv(4096).startswith(b"HTTP/1.1 4")
    assert store.get("/health/ready").status_code == 200


def test_a_flood_leaves_memory_bounded_and_the_newest_trace_held(store: httpx.Client) -> None:
    def flood() -> None:
        with httpx.Client(base_url=store.base_url, trust_env=False, timeout=60) as client:
            for _ in range(40):
                body = b"".join(traces_request(os.urandom(16), *["span"] * 20, size_bytes=900) for _ in range(50))
                assert client.post(
                    "/v1/traces", content=gzip.compress(body, 1), headers=OTLP | {"content-encoding": "gzip"}
                ).is_success

    threads = [threading.Thread(target=flood) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    newest = os.urandom(16)
    store.post("/v1/traces", content=traces_request(newest, "the newest"), headers=OTLP)

    stats = store.get("/stats", timeout=60).json()

    assert stats["evicted"]["traces"] > 1000
    assert stats["held"]["traces_bytes"] <= stats["limits"]["traces_bytes"]
    assert stats["process"]["peak_rss_bytes"] < 80 * 1024 * 1024
    assert store.get("/traces", params={"limit": 1}).json()[0]["trace_id"] == newest.hex()


async def test_waiting_for_a_trace_ends_when_its_condition_holds(store: httpx.Client) -> None:
    trace_id = os.urandom(16)

    async def send_late() -> None:
        async with httpx.AsyncClient(base_url=store.base_url, trust_env=False) as client:
            await client.post("/v1/traces", content=traces_request(trace_id, "first"), headers=OTLP)
            await client.post(
                "/v1/traces", content=traces_request(trace_id, "second", service="audit-log"), headers=OTLP
            )

    async with TelemetryClient(url(store)) as client:
        waiting = asyncio.create_task(
            client.settled_trace(trace_id.hex(), wait_seconds=30, until=lambda trace: "audit-log" in trace.services)
        )
        await send_late()
        found = await waiting
        assert found is not None
        assert {span.name for span in found.spans} == {"first", "second"}
        assert await client.settled_trace("0" * 32, wait_seconds=0) is None
