"""What a service says about itself."""

import asyncio

import pytest

from yoyaku.observability import health as module
from yoyaku.observability.health import Check, CheckResult, Health, Status
from yoyaku.observability.health_checks import condition, consumers, database, migrations, nats, outbox

pytestmark = pytest.mark.requirement("GW-05")


def fixed(name: str, status: Status, output: str | None = None) -> Check:
    async def look() -> CheckResult:
        return CheckResult(status, output=output)

    return Check(name, look)


def health(*checks: Check) -> Health:
    return Health("booking", "1.2.3", readiness=checks)


@pytest.mark.parametrize(
    ("found", "overall", "code", "public"),
    [
        ([], "pass", 200, "pass"),
        ([Status.PASS, Status.PASS], "pass", 200, "pass"),
        ([Status.PASS, Status.WARN], "warn", 200, "pass"),
        ([Status.WARN, Status.FAIL, Status.PASS], "fail", 503, "fail"),
    ],
)
async def test_the_worst_finding_decides(found, overall, code, public) -> None:
    report = await health(*(fixed(f"c{number}", status) for number, status in enumerate(found))).ready()
    assert (report.status, report.http_status) == (overall, code)
    assert report.public() == {"status": public}


async def test_details_follow_the_draft_and_hide_secrets() -> None:
    report = await health(fixed("database:responseTime", Status.FAIL, "password=hunter2 refused")).ready()
    detailed = report.detailed()
    assert {name: detailed[name] for name in ("status", "version", "serviceId")} == {
        "status": "fail", "version": "1.2.3", "serviceId": "booking",
    }  # fmt: skip
    (entry,) = detailed["checks"]["database:responseTime"]
    assert entry["output"] == "password=[redacted] refused"
    assert entry["time"].endswith("+00:00")
    assert "database" not in str(report.public())


async def test_a_check_that_raises_or_hangs_is_a_finding(monkeypatch) -> None:
    monkeypatch.setattr(module, "CHECK_TIMEOUT_SECONDS", 0.05)

    async def raises() -> CheckResult:
        raise LookupError("gone")

    async def hangs() -> CheckResult:
        await asyncio.Event().wait()
        raise AssertionError

    report = await health(Check("a", raises), Check("b", hangs), fixed("c", Status.PASS)).ready()
    found = {name: result for name, (result, _) in report.checks.items()}
    assert (found["a"].status, found["a"].output) == ("fail", "LookupError: gone")
    assert (found["b"].status, found["b"].output) == ("fail", "no answer within 0.05 s")
    assert found["c"].status == "pass"


async def test_probes_that_come_together_share_one_look_even_when_one_leaves() -> None:
    looks = 0
    release = asyncio.Event()

    async def look() -> CheckResult:
        nonlocal looks
        looks += 1
        await release.wait()
        return CheckResult(Status.PASS)

    asked = health(Check("slow", look))
    probes = [asyncio.create_task(asked.ready()) for _ in range(10)]
    await asyncio.sleep(0)
    probes[0].cancel()
    release.set()
    reports = await asyncio.gather(*probes, return_exceptions=True)
    assert looks == 1
    assert [report.http_status for report in reports[1:]] == [200] * 9


async def test_startup_stays_passed_and_draining_makes_unready_but_not_dead() -> None:
    ready_now = False
    asked = Health("x", "1", startup_checks=[condition("loaded", lambda: ready_now, otherwise="not yet")])
    assert (await asked.startup()).http_status == 503
    ready_now = True
    asked._shared.clear()
    assert (await asked.startup()).http_status == 200
    ready_now = False
    asked._shared.clear()
    assert (await asked.startup()).http_status == 200

    assert (await asked.ready()).http_status == 200
    asked.drain()
    assert (await asked.ready()).http_status == 503
    assert (await asked.live()).http_status == 200


class FakePool:
    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    async def fetchval(self, query: str, *, timeout: float | None = None) -> int:  # noqa: ASYNC109
        assert timeout
        if self.error:
            raise self.error
        return 1


async def test_database_check() -> None:
    assert (await database(FakePool()).run()).unit == "ms"
    with pytest.raises(ConnectionError):
        await database(FakePool(ConnectionError())).run()


@pytest.mark.parametrize(
    ("connected", "required", "status"), [(True, False, "pass"), (False, False, "warn"), (False, True, "fail")]
)
async def test_nats_check(connected, required, status) -> None:
    async def later() -> bool:
        return connected

    assert (await nats(lambda: connected, required=required).run()).status == status
    assert (await nats(later, required=required).run()).status == status


@pytest.mark.parametrize(
    ("lags", "status", "observed"),
    [
        ({"a": 3, "b": 5}, "pass", 5),
        ({"a": 3, "b": 20_000}, "warn", 20_000),
        ({"a": 3, "b": None}, "fail", None),
        (TimeoutError("no answer"), "fail", None),
        ({}, "pass", 0),
    ],
)
async def test_consumers_check(lags, status, observed) -> None:
    async def ask() -> dict[str, int | None]:
        if isinstance(lags, Exception):
            raise lags
        return lags

    result = await consumers(ask, required=True).run()
    assert (result.status, result.observed) == (status, observed)
    optional = await consumers(ask).run()
    assert optional.status == ("warn" if status == "fail" else status)


@pytest.mark.parametrize(
    ("pending", "age", "status", "observed"), [(0, 0.0, "pass", 0.0), (5, 2.0, "pass", 2.0), (5, 61.0, "warn", 61.0)]
)
async def test_outbox_check(pending, age, status, observed) -> None:
    async def measure() -> tuple[int, float]:
        return pending, age

    result = await outbox(measure).run()
    assert (result.status, result.observed) == (status, observed)


async def test_migrations_check() -> None:
    async def at_head() -> None:
        return

    async def behind() -> None:
        raise RuntimeError("migrations are at nothing")

    assert (await migrations(at_head).run()).status == "pass"
    with pytest.raises(RuntimeError):
        await migrations(behind).run()
