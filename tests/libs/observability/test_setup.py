"""`observed` in real processes: what a collector gets, and what happens without one."""

import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

SECRET = "hunter2horse"
JWT = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"

LEAKY = f"""
secret, jwt = {SECRET!r}, {JWT!r}
class Reservation:
    def __repr__(self): return f"Reservation(title='{{secret}} meeting')"
with tracer("test").start_as_current_span("sign in") as span:
    span.set_attributes({{"user.password": secret, "url": f"/x?token={{jwt}}"}})
    span.set_attribute("list", [f"password={{secret}}", "plain"])
    span.add_event("refused", {{"authorization": secret, "why": f"cookie={{secret}}"}})
    bound = logger.bind(password=secret, headers={{"Cookie": secret}}, what=Reservation(), mail="a@b")
    bound.info("signed in with {{}}", jwt)
    logging.getLogger("other").warning("Authorization: Bearer %s", secret)
    logging.getLogger("other").error("failed", exc_info=ValueError(f"secret={{secret}}"))
    logger.info(f"password={{secret}}")
    try:
        try:
            local_password = secret
            raise KeyError(f"title='{{secret}}'")
        except KeyError as inner:
            raise RuntimeError(f"token: {{secret}}") from inner
    except RuntimeError as exc:
        logger.exception("sign-in failed")
        span.record_exception(exc)
    logger.opt(exception=True, record=True).info("odd")
try:
    with tracer("test").start_as_current_span("fails"):
        raise ValueError(f"password={{secret}}")
except ValueError: pass
import warnings
warnings.warn(f"token={{secret}}")
"""


def attributes(thing) -> dict[str, object]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in thing.attributes}


@pytest.mark.requirement("OB-01")
def test_all_three_signals_arrive_with_the_resource(run, collector) -> None:
    ran = run(
        """
with tracer("test").start_as_current_span("place reservation"):
    logger.bind(room_id=7).info("reservation confirmed")
    print(current_traceparent())
meter("test").create_histogram("yoyaku.event.age", unit="s").record(0.07)
meter("test").create_histogram("yoyaku.backup.size", unit="By").record(5000)
meter("test").create_counter("yoyaku.reservations").add(2, {"outcome": "confirmed"})
""",
        environ={"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint + "/"},
        environment="test",
    )
    assert ran.code == 0, ran.stderr

    resource = attributes(collector.received("/v1/traces")[0].resource_spans[0].resource)
    assert isinstance(resource.pop("process.pid"), int)
    assert {name: value for name, value in resource.items() if not name.startswith("telemetry.")} == {
        "service.name": "booking",
        "service.namespace": "yoyaku",
        "service.version": "1.2.3",
        "service.instance.id": "one",
        "deployment.environment.name": "test",
    }
    (span,) = collector.spans()
    assert ran.stdout.strip() == f"00-{span.trace_id.hex()}-{span.span_id.hex()}-01"
    (record,) = collector.logs()
    assert (record.trace_id, record.span_id) == (span.trace_id, span.span_id)
    assert record.body.string_value == "reservation confirmed"
    assert attributes(record)["room_id"] == 7
    metrics = collector.metrics()
    age = metrics["yoyaku.event.age"].histogram.data_points[0]
    assert 0.1 in age.explicit_bounds and max(age.explicit_bounds) == 1800
    assert metrics["yoyaku.backup.size"].histogram.data_points[0].explicit_bounds[0] == 1024
    assert metrics["yoyaku.reservations"].sum.data_points[0].as_int == 2
    assert metrics["process.memory.usage"].sum.data_points[0].as_int > 10_000_000
    assert {"process.cpu.time", "process.thread.count", "process.unix.file_descriptor.count"} <= set(metrics)


@pytest.mark.requirement("OB-03")
def test_secrets_reach_no_sink(run, collector, tmp_path) -> None:
    ran = run(LEAKY, otlp_endpoint=collector.endpoint, log_file=str(tmp_path / "log.jsonl"))

    assert ran.code == 0, ran.stderr
    written = (tmp_path / "log.jsonl").read_text()
    sent = b"".join(collector.raw)
    assert len(collector.logs()) == len(ran.lines) == len(written.splitlines()) == 7
    assert {span.name for span in collector.spans()} == {"sign in", "fails"}
    for secret in (SECRET, JWT, JWT[25:]):
        assert secret not in ran.stderr
        assert secret not in written
        assert secret.encode() not in sent
    for kept in ("signed in with", "a@b", "RuntimeError", "sign-in failed", "plain"):
        assert kept.encode() in sent


@pytest.mark.requirement("OB-03")
def test_failing_sinks_are_said_once_and_show_no_secret(run, tmp_path) -> None:
    ran = run(
        f"""
secret = {SECRET!r}
from yoyaku.observability import logs
logger.add(lambda message: print(message), format="{{message}} {{extra}}", diagnose=False)
def broken(message): raise LookupError("disk full")
logs._add(broken, "INFO")
for _ in range(2):
    try:
        raise ValueError(f"password={{secret}}")
    except ValueError:
        logger.bind(token=secret).exception("failed {{}}", f"title='{{secret}}'")
"""
    )
    assert [line["message"] for line in ran.lines].count("log sink: LookupError") == 1
    assert len(ran.lines) == 3
    assert ran.stdout.count("ValueError: password=[redacted]") == 2
    assert SECRET not in ran.stderr + ran.stdout


def test_no_field_is_too_odd_to_be_exported(run, collector) -> None:
    ran = run(
        """
class Odd:
    def __getattr__(self, name): raise RuntimeError(name)
    def __repr__(self): raise RuntimeError("repr")
odd = {"n": None, "list": [None, 1, "a", {"x": None}], 3: b"bytes"}
logger.bind(surrogate=chr(0xD800), big=2**70, nan=float("nan"), nested=odd, odd=Odd()).info("odd " + chr(0xD800))
with tracer("test").start_as_current_span("odd") as span:
    span.set_attribute("text", chr(0xD800))
""",
        otlp_endpoint=collector.endpoint,
    )
    assert ran.code == 0, ran.stderr
    (line,) = ran.lines
    assert (line["big"], line["nan"]) == (str(2**70), "nan")
    assert len(collector.logs()) == 1
    assert len(collector.spans()) == 1


@pytest.mark.requirement("OB-03")
def test_an_uncaught_exception_is_one_redacted_record(run) -> None:
    ran = run(f"""raise RuntimeError("password={SECRET}")""")

    assert ran.code == 1
    (line,) = ran.lines
    assert line["message"] == "process ended by an uncaught exception"
    assert line["level"] == "CRITICAL"
    assert "RuntimeError: password=[redacted]" in line["exception"]
    assert SECRET not in ran.stderr


def test_logs_carry_trace_ids_and_fields_and_stdlib_names(run) -> None:
    ran = run("""
with tracer("test").start_as_current_span("x") as span:
    logger.bind(room_id=1, level="mine").warning("room created")
    print(format(span.get_span_context().trace_id, "032x"))
logging.getLogger("faststream.access").info("received %s", "x")
logging.getLogger("quiet").debug("not shown")
""")
    first, second = ran.lines
    assert first["trace_id"] == ran.stdout.strip()
    assert len(first["span_id"]) == 16
    assert (first["message"], first["room_id"], first["field_level"]) == ("room created", 1, "mine")
    assert (first["service"], first["level"], first["function"]) == ("booking", "WARNING", "<module>")
    assert (second["logger"], second["message"]) == ("faststream.access", "received x")
    assert "trace_id" not in second


def test_the_ratio_samples_new_traces_and_keeps_a_parents_decision(run, collector) -> None:
    run(
        """
from yoyaku.observability import context_from
for number in range(20):
    with tracer("test").start_as_current_span("dropped"):
        assert current_traceparent().endswith("-00")
sampled = context_from("00-" + "a" * 32 + "-" + "b" * 16 + "-01")
with tracer("test").start_as_current_span("kept", context=sampled): pass
""",
        otlp_endpoint=collector.endpoint,
        trace_sample_ratio=0.0,
    )
    assert [span.name for span in collector.spans()] == ["kept"]
    assert collector.spans()[0].trace_id.hex() == "a" * 32


def test_without_a_collector_each_signal_complains_once(run) -> None:
    ran = run(
        """
worst = 0.0
end = time.monotonic() + 13.0
while time.monotonic() < end:
    started = time.thread_time()
    with tracer("test").start_as_current_span("request"):
        logger.info("handled")
    worst = max(worst, time.thread_time() - started)
    time.sleep(0.02)
started = time.monotonic()
print(worst)
""",
        after="print(time.monotonic() - started)",
        otlp_endpoint="http://127.0.0.1:9",
        metric_interval_seconds=1,
    )
    complaints = [line["logger"].rpartition(".")[2] for line in ran.lines if line["logger"].startswith("opentelemetry")]
    assert sorted(complaints) == ["_log_exporter", "metric_exporter", "trace_exporter"]
    worst, shutdown = map(float, ran.stdout.split())
    assert worst < 1.0
    assert shutdown < 5.0


def test_a_collector_that_never_answers_cannot_hold_the_end_up(run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        ran = run(
            """
with tracer("test").start_as_current_span("request"): logger.info("handled")
started = time.monotonic()
""",
            after="print(time.monotonic() - started)",
            otlp_endpoint=f"http://127.0.0.1:{silent.getsockname()[1]}",
        )
    assert ran.code == 0
    assert float(ran.stdout) < 6.0


def test_a_collector_that_comes_late_gets_what_was_kept(run, collecting_on, tmp_path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    body = f"""
from pathlib import Path
with tracer("test").start_as_current_span("early"): pass
time.sleep(2.5)
Path({str(tmp_path / "refused")!r}).touch()
while not Path({str(tmp_path / "up")!r}).exists(): time.sleep(0.01)
"""
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run, body, otlp_endpoint=f"http://127.0.0.1:{port}")
        while not (tmp_path / "refused").exists() and not running.done():
            time.sleep(0.01)
        with collecting_on(port) as collector:
            (tmp_path / "up").touch()
            assert running.result().code == 0
            assert [span.name for span in collector.spans()] == ["early"]


def test_a_full_queue_drops_and_does_not_block(run) -> None:
    ran = run(
        """
from yoyaku.observability import setup
for number in range(3 * setup.QUEUE_SIZE):
    with tracer("test").start_as_current_span("request"): pass
print("done")
""",
        otlp_endpoint="http://127.0.0.1:9",
    )
    assert ran.stdout.strip() == "done"
    assert sum("Queue full" in json.dumps(line) for line in ran.lines) <= 1


def test_nothing_heavy_is_imported(run, collector) -> None:
    ran = run(
        """
with tracer("test").start_as_current_span("x"): logger.info("x")
import yoyaku.observability.health_server, yoyaku.observability.health_checks
for name in ("grpc", "requests", "urllib3", "starlette", "fastapi", "granian", "asyncpg", "nats"):
    assert name not in sys.modules, name
""",
        otlp_endpoint=collector.endpoint,
    )
    assert ran.code == 0, ran.stderr


def test_a_second_call_in_one_process_warns_and_still_logs(run) -> None:
    ran = run(
        "logger.info('first')",
        after="""
with observed("booking", version="1", settings=settings):
    logger.info("second")
""",
    )
    assert [line["message"] for line in ran.lines] == [
        "first",
        "telemetry was configured before in this process, traces and metrics keep that",
        "second",
    ]
