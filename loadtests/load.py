"""`python -m loadtests.load [people] [ramp] [soak]`: drive a whole system with k6, check its databases, say what held.

Starts a system of its own in a scratch folder for each scenario, as `yoyaku up` does, and leaves the results in
`.yoyaku/load/<scenario>/`. Exits 1 when a threshold of the script or a check of the databases does not hold.
"""

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from loadtests.ledger import Finding, answers_told, check_audit, check_bookings
from loadtests.memory import WARMUP_SHARE, MemoryLog, Trend, sampled, trend
from loadtests.office import Office, cores, open_office
from loadtests.picture import draw
from rich.console import Console
from rich.table import Table

SCRIPTS = Path(__file__).parent / "k6"
RESULTS = Path(".yoyaku/load")
K6 = Path(sysconfig.get_path("scripts")) / "k6"
THRESHOLD_CROSSED = 99
ABORTED = 108
AUDIT_PATIENCE_SECONDS = 5.0
SAMPLES = 300
SHOWN = ("http_req_duration{name:", "http_req_duration{part:", "http_req_duration{scenario:")
LEAST_SAMPLE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Scenario:
    """One script and whether reaching its thresholds is a failure: a ramp is meant to break."""

    name: str
    may_cross: bool = False


SCENARIOS = {"people": Scenario("people"), "ramp": Scenario("ramp", may_cross=True), "soak": Scenario("soak")}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the scenarios asked for, one after another."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.load", description=__doc__)
    parser.add_argument("scenarios", nargs="*", help="people, ramp, soak; people and ramp without one")
    parser.add_argument("--people", type=int, default=100, help="how many at once (100)")
    parser.add_argument("--reservations", type=int, default=1000, help="people: how many are made (1000)")
    parser.add_argument("--rooms", type=int, default=20, help="rooms they share (20)")
    parser.add_argument("--think", type=float, default=0.5, help="people: mean seconds between two requests (0.5)")
    parser.add_argument("--workers", type=int, default=cores(), help="gateway processes (one a core)")
    parser.add_argument("--seconds", type=int, default=600, help="soak: how long (600)")
    parser.add_argument("--rate", type=int, default=60, help="soak: requests a second (60)")
    parser.add_argument("--first-rate", type=int, default=100, help="ramp: requests a second of the first step (100)")
    parser.add_argument("--factor", type=float, default=1.5, help="ramp: how much each step adds (1.5 times)")
    parser.add_argument("--steps", type=int, default=10, help="ramp: steps at most (10)")
    parser.add_argument("--step-seconds", type=int, default=10, help="ramp: seconds a step (10)")
    chosen = parser.parse_args(arguments)
    unknown = sorted(set(chosen.scenarios) - set(SCENARIOS))
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(SCENARIOS)}")
    names = chosen.scenarios or ["people", "ramp"]
    return max(asyncio.run(run(SCENARIOS[name], chosen)) for name in names)


async def run(scenario: Scenario, chosen: argparse.Namespace) -> int:
    """Run one scenario on a system of its own; 0 when everything held."""
    console = Console(width=None if sys.stdout.isatty() else 120)
    folder = RESULTS / scenario.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    console.print(f"[bold]{scenario.name}[/bold]: starting a system, {chosen.people} people and {chosen.rooms} rooms")
    log = MemoryLog()
    async with open_office(people=chosen.people, rooms=chosen.rooms, workers=chosen.workers) as office:
        every = max(LEAST_SAMPLE_SECONDS, chosen.seconds / SAMPLES) if scenario.name == "soak" else 1.0
        watching = asyncio.create_task(sampled(office.system, log, every))
        code = await drive(scenario, chosen, office, folder)
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
        findings = await examine(office, folder, cut_off=scenario.may_cross)
        if not all(finding.holds for finding in findings):
            shutil.copytree(office.system.data_dir / "logs", folder / "logs")
    summary = json.loads((folder / "k6.json").read_text()) if (folder / "k6.json").exists() else {"metrics": {}}
    findings += _thresholds(summary) if not scenario.may_cross else []
    trends = {name: trend(log.seconds[-len(values) :], values) for name, values in log.processes.items()}
    if scenario.name == "soak":
        findings += [_no_growth(name, found) for name, found in sorted(trends.items())]
        picture = draw(log, trends, f"Memory in a soak of {chosen.seconds} s at {chosen.rate}/s", WARMUP_SHARE)
        (folder / "memory.svg").write_text(picture)
    if code not in ({0, THRESHOLD_CROSSED, ABORTED} if scenario.may_cross else {0, THRESHOLD_CROSSED}):
        findings.append(Finding("k6 ran to its end", holds=False, found=f"exit code {code}, see {folder / 'k6.log'}"))
    keep(folder, chosen, findings, summary, trends, log)
    show(console, scenario, findings, summary, folder)
    return 0 if all(finding.holds for finding in findings) else 1


async def drive(scenario: Scenario, chosen: argparse.Namespace, office: Office, folder: Path) -> int:
    """Run k6 and return its exit code."""
    told = {
        "GATEWAY": office.system.gateway_url,
        "PASSWORD": office.password,
        "PEOPLE": office.people,
        "ROOMS": json.dumps(office.rooms),
        "RESERVATIONS": chosen.reservations,
        "THINK_SECONDS": chosen.think,
        "RATE": chosen.rate,
        "SECONDS": chosen.seconds,
        "FIRST_RATE": chosen.first_rate,
        "FACTOR": chosen.factor,
        "STEPS": chosen.steps,
        "STEP_SECONDS": chosen.step_seconds,
        "SUMMARY": folder / "k6.json",
    }
    switches = ["--quiet", "--no-usage-report", "--address", "", "--log-format", "raw"]
    with (folder / "k6.log").open("wb") as output:
        started = await asyncio.create_subprocess_exec(
            str(K6), "run", *switches, "--console-output", str(folder / "answers.jsonl"),
            str(SCRIPTS / f"{scenario.name}.js"),
            env={**os.environ, "NO_PROXY": "127.0.0.1", **{name: str(value) for name, value in told.items()}},
            stdout=output, stderr=output,
        )  # fmt: skip
        return await started.wait()


STORED_COUNT = "SELECT count(*) FROM reservation"


async def examine(office: Office, folder: Path, *, cut_off: bool) -> list[Finding]:
    """Check the databases; the audit log may take its two seconds first."""
    told = answers_told(folder / "answers.jsonl")
    booking, audit = await office.connect("booking"), await office.connect("audit")
    try:
        findings = await check_bookings(booking, told, cut_off=cut_off)
        async with asyncio.timeout(AUDIT_PATIENCE_SECONDS * 3):
            for _ in range(int(AUDIT_PATIENCE_SECONDS * 10)):
                # Counted anew each time: where people left early, the gateway still commits what they had asked for.
                audited = await check_audit(audit, await booking.fetchval(STORED_COUNT))
                if audited[0].holds:
                    break
                await asyncio.sleep(0.1)
    finally:
        await booking.close()
        await audit.close()
    return findings + audited


def _thresholds(summary: dict[str, Any]) -> list[Finding]:
    return [
        Finding(f"{metric}: {rule}", verdict["ok"], _value(found["values"], rule))
        for metric, found in summary["metrics"].items()
        for rule, verdict in found.get("thresholds", {}).items()
        if not rule.endswith(">=0")
    ]


def _value(values: dict[str, float], rule: str) -> str:
    for name, value in values.items():
        if rule.startswith(name):
            return f"{value:,.4g}"
    return ""


def _no_growth(name: str, found: Trend) -> Finding:
    told = f"{found.median:.0f} MiB, {found.gained:+.1f} MiB after the warm-up ({found.per_hour:+.1f} MiB an hour)"
    return Finding(f"memory of {name} does not grow", not found.grows, told)


def keep(
    folder: Path,
    chosen: argparse.Namespace,
    findings: Sequence[Finding],
    summary: dict[str, Any],
    trends: dict[str, Trend],
    log: MemoryLog,
) -> None:
    """Write everything for programs."""
    record = {
        "options": vars(chosen),
        "findings": [asdict(finding) for finding in findings],
        "metrics": {name: found["values"] for name, found in summary["metrics"].items()},
        "memory": {name: asdict(found) for name, found in trends.items()},
        "samples": {"seconds": log.seconds, "mebibytes": log.processes},
    }
    (folder / "summary.json").write_text(json.dumps(record, indent=1) + "\n")


def show(
    console: Console, scenario: Scenario, findings: Sequence[Finding], summary: dict[str, Any], folder: Path
) -> None:
    """Print what was measured and what held."""
    measured = Table(title=f"{scenario.name}: requests")
    for column in ("what", "count", "median ms", "p95 ms", "p99 ms", "worst ms"):
        measured.add_column(column, justify="left" if column == "what" else "right")
    for name, found in sorted(summary["metrics"].items(), key=_in_order):
        values = found["values"]
        if name.startswith(SHOWN) and values.get("count"):
            label = name.split("{", 1)[1].rstrip("}").split(":", 1)[1]
            columns = [f"{values[key]:,.1f}" for key in ("med", "p(95)", "p(99)", "max")]
            measured.add_row(label, f"{values['count']:,.0f}", *columns)
    console.print(measured)
    if scenario.may_cross:
        console.print(breaking_point(summary))
    verdicts = Table(title=f"{scenario.name}: what must hold")
    for column in ("check", "found", ""):
        verdicts.add_column(column)
    for finding in findings:
        verdicts.add_row(finding.what, finding.found, "[green]holds[/green]" if finding.holds else "[red]FAILS[/red]")
    console.print(verdicts)
    console.print(f"Everything is in {folder}")


def _in_order(item: tuple[str, Any]) -> tuple[int, str]:
    digits = "".join(character for character in item[0] if character.isdigit())
    return (int(digits) if "rate_" in item[0] else 0, item[0])


def breaking_point(summary: dict[str, Any]) -> str:
    """Say the last rate that held and the first that did not."""
    held, broke = 0, ""
    for rate in sorted(_rates(summary)):
        parts = {
            name: found for name, found in summary["metrics"].items() if name.endswith(f"{{scenario:rate_{rate}}}")
        }
        reasons = [
            f"{name.split('{', 1)[0]} {rule} (was {_value(found['values'], rule)})"
            for name, found in parts.items()
            for rule, verdict in found.get("thresholds", {}).items()
            if not verdict["ok"]
        ]
        if reasons:
            broke = f"; at {rate} requests/s it broke: {', '.join(reasons)}"
            break
        held = rate
    return f"held {held} requests/s{broke or '; not broken: ask for more steps'}"


def _rates(summary: dict[str, Any]) -> list[int]:
    """Return the steps that were begun."""
    prefix = "http_reqs{scenario:rate_"
    return [
        int(name.removeprefix(prefix).rstrip("}"))
        for name, found in summary["metrics"].items()
        if name.startswith(prefix) and found["values"].get("count", 0) > 0
    ]


if __name__ == "__main__":
    sys.exit(main())
