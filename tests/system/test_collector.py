"""The real collector with its real configuration: spans, metrics and logs of every service come out, traces whole.

The collector's exporters point at a telemetry store, which stands where Tempo and Loki stand in production.
"""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from yoyaku.embedded.launch import kill_tree, launch
from yoyaku.embedded.ports import choose_port
from yoyaku.embedded.system import SystemOptions, start_system
from yoyaku.testkit.people import People, people_of
from yoyaku.testkit.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
COLLECTOR = ROOT / "build/yoyaku-otelcol"
SERVICES = {"booking", "audit-log", "security-detector", "backup-coordinator"}

pytestmark = [
    pytest.mark.collector,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        shutil.which("go") is None and not COLLECTOR.exists(),
        reason="the collector is built with Go, which is not here",
    ),
]


@dataclass(frozen=True)
class Addresses:
    otlp: str
    prometheus: str
    store: str


async def answers(url: str) -> bool:
    async with httpx.AsyncClient(trust_env=False) as http:
        try:
            return (await http.get(url)).is_success
        except httpx.TransportError:
            return False


@pytest.fixture(scope="module")
def binary() -> Path:
    built = subprocess.run(["make", "collector"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    return COLLECTOR


@pytest.fixture(scope="module")
def collector(binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Addresses]:
    """A running collector that hands traces and logs on to a telemetry store."""
    folder = tmp_path_factory.mktemp("collector")
    store, http, grpc, health, prometheus, own = (choose_port() for _ in range(6))
    environment = {
        "PATH": os.environ["PATH"],
        "YOYAKU_COLLECTOR_OTLP_HTTP": f"127.0.0.1:{http}",
        "YOYAKU_COLLECTOR_OTLP_GRPC": f"127.0.0.1:{grpc}",
        "YOYAKU_COLLECTOR_HEALTH": f"127.0.0.1:{health}",
        "YOYAKU_COLLECTOR_PROMETHEUS": f"127.0.0.1:{prometheus}",
        "YOYAKU_COLLECTOR_SELF_PORT": str(own),
        "YOYAKU_COLLECTOR_STORAGE": str(folder / "queue"),
        "YOYAKU_COLLECTOR_SPAN_METRICS_FLUSH": "1s",
        "YOYAKU_TEMPO_OTLP": f"http://127.0.0.1:{store}",
        "YOYAKU_LOKI_OTLP": f"http://127.0.0.1:{store}",
    }
    config = ROOT / "infra/otel-collector/config.yaml"
    receiver = [sys.executable, "-m", "yoyaku.embedded.telemetry_store", "--port", str(store)]
    with (folder / "collector.log").open("wb") as log, (folder / "store.log").open("wb") as store_log:
        sink = launch(receiver, env=os.environ, output=store_log)
        running = launch([binary, "--config", config], env=environment, output=log)
        try:
            yield Addresses(
                f"http://127.0.0.1:{http}", f"http://127.0.0.1:{prometheus}/metrics", f"http://127.0.0.1:{store}"
            )
        finally:
            kill_tree(running)
            kill_tree(sink)


@pytest_asyncio.fixture(scope="module")
async def observed(collector: Addresses, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[People]:
    """A whole system whose telemetry goes to the collector, and people who use it."""
    environment = dict(os.environ) | {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.otlp}
    prefixes = ("BOOKING_", "AUDIT_LOG_", "SECURITY_DETECTOR_", "BACKUP_COORDINATOR_")
    overrides = {f"{prefix}OBSERVABILITY__METRIC_INTERVAL_SECONDS": "1" for prefix in prefixes}
    folder = tmp_path_factory.mktemp("observed")
    options = SystemOptions(folder, fsync=False, environment=environment, overrides=overrides, write_log_files=False)
    async with start_system(folder, options=options) as system, people_of(system) as people:
        yield people


async def trace_is_whole(store: str, trace_id: str, wanted: set[tuple[str, str]]) -> None:
    """Wait until all wanted spans (service, name) of one trace came out, and each span has its parent."""

    async def spans() -> list[dict[str, object]]:
        async with httpx.AsyncClient(trust_env=False) as http:
            answer = await http.get(f"{store}/traces/{trace_id}")
        return list(answer.json()["spans"]) if answer.is_success else []

    def whole(seen: list[dict[str, object]]) -> bool:
        ids = {span["span_id"] for span in seen}
        orphans = [span for span in seen if span["parent_span_id"] and span["parent_span_id"] not in ids]
        return wanted <= {(span["service"], span["name"]) for span in seen} and not orphans

    await eventually(spans, whole, within_seconds=40)


@pytest.mark.requirement("OB-01", "EV-07")
async def test_a_booking_is_one_whole_trace_to_the_audit_log(collector: Addresses, observed: People) -> None:
    headers = await observed.person("hanako")
    room = await observed.room()
    answer = await observed.http.post("/api/v1/reservations", json=observed.wish(room, 3), headers=headers)
    assert answer.status_code == 201
    wanted = {
        ("booking", "publish booking.reservation.confirmed.v1"),
        ("audit-log", "process booking.reservation.confirmed.v1"),
    }
    await trace_is_whole(collector.store, answer.headers["x-trace-id"], wanted)


@pytest.mark.requirement("OB-01", "EV-07", "SD-03")
async def test_a_failed_sign_in_is_one_whole_trace_to_the_block(collector: Addresses, observed: People) -> None:
    transport = httpx.AsyncHTTPTransport(local_address="127.0.0.2")
    traces = []
    async with httpx.AsyncClient(base_url=observed.system.gateway_url, transport=transport, timeout=30) as attacker:
        for guess in range(5):
            body = {"user_id": "hanako", "password": f"a wrong guess {guess}"}
            traces.append((await attacker.post("/api/v1/auth/login", json=body)).headers["x-trace-id"])

        async def refused() -> int:
            return (await attacker.get("/api/v1/rooms")).status_code

        await eventually(refused, lambda status: status == 403)

    async def names_of_deciding() -> set[str]:
        found: set[str] = set()
        async with httpx.AsyncClient(trust_env=False) as http:
            for trace_id in traces:
                answer = await http.get(f"{collector.store}/traces/{trace_id}")
                spans = answer.json()["spans"] if answer.is_success else []
                if any(span["name"] == "publish security.block.imposed.v1" for span in spans):
                    found |= {span["name"] for span in spans}
        return found

    wanted = {
        "publish identity.login.failed.v1",
        "process identity.login.failed.v1",
        "process security.block.imposed.v1",
    }
    await eventually(names_of_deciding, lambda seen: seen >= wanted, within_seconds=40)


@pytest.mark.requirement("OB-01", "EV-07", "BC-01")
async def test_a_backup_run_is_one_whole_trace_to_the_audit_log(collector: Addresses, observed: People) -> None:
    command = [sys.executable, "-c", "from yoyaku.cli.main import main; main()", "backup", "now", "--json"]
    done = await asyncio.to_thread(
        subprocess.run,
        [*command, "--data", str(observed.system.data_dir)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr

    async def backup_traces() -> list[str]:
        async with httpx.AsyncClient(trust_env=False) as http:
            answer = await http.get(f"{collector.store}/traces", params={"service": "backup-coordinator", "limit": 50})
            found = []
            for trace in answer.json():
                spans = (await http.get(f"{collector.store}/traces/{trace['trace_id']}")).json()["spans"]
                if any(span["name"] == "publish backup.run.completed.v1" for span in spans):
                    found.append(str(trace["trace_id"]))
        return found

    (trace_id,) = await eventually(backup_traces, lambda seen: len(seen) == 1, within_seconds=40)
    wanted = {
        ("backup-coordinator", "publish backup.run.completed.v1"),
        ("audit-log", "process backup.run.completed.v1"),
    }
    await trace_is_whole(collector.store, trace_id, wanted)


@pytest.mark.requirement("OB-01")
async def test_metrics_of_every_service_can_be_scraped(collector: Addresses, observed: People) -> None:
    async def scraped() -> str:
        async with httpx.AsyncClient(trust_env=False) as http:
            return (await http.get(collector.prometheus)).text

    wanted = {f'job="yoyaku/{service}"' for service in SERVICES} | {
        "yoyaku_reservations_total",
        "yoyaku_event_age_seconds_bucket",
        "traces_span_metrics_calls_total",
    }

    async def missing() -> set[str]:
        text = await scraped()
        return {name for name in wanted if name not in text}

    await eventually(missing, lambda names: not names, within_seconds=40)


@pytest.mark.requirement("OB-01", "OB-03")
async def test_logs_of_every_service_come_out(collector: Addresses, observed: People) -> None:
    async def services() -> set[str]:
        async with httpx.AsyncClient(trust_env=False) as http:
            asked = {name: await http.get(f"{collector.store}/logs", params={"service": name}) for name in SERVICES}
        return {name for name, answer in asked.items() if answer.json()}

    assert await eventually(services, lambda seen: seen >= SERVICES, within_seconds=40) >= SERVICES
