import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import typer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from typer.testing import CliRunner, Result

from yoyaku.embedded.trace_command import trace

APP = typer.Typer()
APP.command()(trace)


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    command = [sys.executable, "-m", "yoyaku.embedded.telemetry_store", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        yield f"http://127.0.0.1:{json.loads(process.stderr.readline())['port']}"
        process.terminate()


@pytest.fixture(scope="module")
def trace_id(store: str) -> str:
    found = os.urandom(16)
    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add().scope_spans.add().spans
    spans.add(
        trace_id=found,
        span_id=b"rootroot",
        name="POST /rooms",
        start_time_unix_nano=10**18,
        end_time_unix_nano=10**18 + 10,
    )
    spans.add(
        trace_id=found,
        span_id=b"leafleaf",
        parent_span_id=b"rootroot",
        name="INSERT",
        start_time_unix_nano=10**18 + 2,
        end_time_unix_nano=10**18 + 4,
    )
    headers = {"content-type": "application/x-protobuf"}
    httpx.post(f"{store}/v1/traces", content=request.SerializeToString(), headers=headers).raise_for_status()
    return found.hex()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(APP, list(arguments))


def test_without_id_the_newest_traces_are_listed(store: str, trace_id: str) -> None:
    ran = run("--store", store)
    assert ran.exit_code == 0
    assert trace_id in ran.stdout
    assert "POST /rooms" in ran.stdout
    assert "\x1b[" not in ran.stdout
    assert "No traces yet" in run("--store", store, "--service", "nobody").stdout


@pytest.mark.parametrize("digits", [32, 8])
def test_one_trace_is_drawn_by_its_id_or_its_first_digits(store: str, trace_id: str, digits: int) -> None:
    ran = run(trace_id[:digits].upper(), "--store", store, "--wait", "5")
    assert ran.exit_code == 0
    lines = ran.stdout.splitlines()
    assert next(line for line in lines if "INSERT" in line).startswith("╰─ ")


def test_json_is_for_programs(store: str, trace_id: str) -> None:
    told = json.loads(run(trace_id, "--store", store, "--json").stdout)
    assert [span["name"] for span in told["spans"]] == ["POST /rooms", "INSERT"]
    assert json.loads(run("--store", store, "--json").stdout)[0]["trace_id"] == trace_id


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("xyz",), "32 hexadecimal digits"),
        (("0" * 32,), "no span of trace"),
        (("f" * 31,), "no traces begin with"),
    ],
)
def test_what_cannot_be_drawn_is_said(store: str, trace_id: str, arguments: tuple[str, ...], reason: str) -> None:
    ran = run(*arguments, "--store", store)
    assert ran.exit_code == 1
    assert reason in ran.stderr
    assert ran.stdout == ""


def test_without_a_running_system_it_says_what_to_do(tmp_path: Path) -> None:
    ran = run("--data", str(tmp_path))
    assert ran.exit_code == 1
    assert "no system runs on" in ran.stderr
    assert "yoyaku up" in ran.stderr


def test_a_store_that_does_not_answer_is_named() -> None:
    ran = run("--store", "http://127.0.0.1:9")
    assert ran.exit_code == 1
    assert "http://127.0.0.1:9" in ran.stderr
