"""The page that lists every metric lists what the code has, no more and no less; outcomes are there from the start."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "architecture" / "observability.md"
ROW = re.compile(r"^\| `([a-z_.]+)` \| (?:`([^`]+)`)? ?\| (.*?) ?\| .+ \| .+ \|$")
LABEL = re.compile(r"`([a-z_.]+)`")


def sources() -> Iterator[ast.Module]:
    for part in ("libs", "services"):
        for path in sorted((ROOT / part).glob("*/src/yoyaku/**/*.py")):
            yield ast.parse(path.read_text())


def constants(module: ast.Module) -> dict[str, str]:
    """Return the texts a module names."""
    found = {}
    for node in module.body:
        value = node.value if isinstance(node, ast.AnnAssign | ast.Assign) else None
        target = node.target if isinstance(node, ast.AnnAssign) else None
        if isinstance(value, ast.Constant) and isinstance(value.value, str) and isinstance(target, ast.Name):
            found[target.id] = value.value
    return found


def instruments() -> dict[str, str]:
    """Return the unit of each instrument that some code creates, by its name."""
    modules = list(sources())
    everywhere = {name: text for module in modules for name, text in constants(module).items()}
    found = {}
    for module in modules:
        here = {**everywhere, **constants(module)}
        for call in ast.walk(module):
            if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)):
                continue
            if not re.fullmatch(r"create_(observable_)?(counter|histogram|gauge|up_down_counter)", call.func.attr):
                continue
            name, *_ = call.args
            text = (
                name.value
                if isinstance(name, ast.Constant)
                else here[name.id if isinstance(name, ast.Name) else name.attr]
            )
            units = [word.value.value for word in call.keywords if word.arg == "unit"]
            found[text] = units[0] if units else ""
    return found


def listed() -> dict[str, tuple[str, str]]:
    """Return unit and labels of each metric on the page, by its name."""
    rows = [ROW.match(line) for line in PAGE.read_text().splitlines()]
    return {row[1]: (row[2] or "", row[3]) for row in rows if row is not None}


@pytest.mark.requirement("OB-02")
def test_the_page_lists_every_metric_with_its_unit_and_no_other() -> None:
    found = instruments()
    assert len(found) > 20
    assert {name: unit for name, (unit, _) in listed().items()} == found


def test_no_label_is_an_id() -> None:
    labels = {label for _, text in listed().values() for label in LABEL.findall(text)}
    assert labels >= {"outcome", "stream", "http.route"}
    assert not {label for label in labels if label.endswith(("_id", ".id", "address"))}


@pytest.mark.parametrize(
    ("module", "call", "metric"),
    [
        ("yoyaku.audit_log.telemetry", "create_series()", "yoyaku.audit.entries"),
        ("yoyaku.backup_coordinator.telemetry", "create_series()", "yoyaku.backup.runs"),
        ("yoyaku.security_detector.telemetry", "create_series(rule='r')", "yoyaku.security.blocks"),
        ("yoyaku.security_detector.telemetry", "create_series(rule='r')", "yoyaku.security.witness.requests"),
        ("yoyaku.booking.entrypoints.http.metrics", "create_series()", "yoyaku.auth.attempts"),
        ("yoyaku.booking.entrypoints.http.metrics", "create_series()", "yoyaku.auth.refreshes"),
    ],
)
def test_every_outcome_on_the_page_is_there_from_the_start_at_zero(module: str, call: str, metric: str) -> None:
    outcomes = listed()[metric][1].partition(": ")[2].partition(";")[0].split(", ")
    program = (
        f"import sys, {module} as metrics\n"
        "from yoyaku.observability.testing import recorded_metrics\n"
        "seen = recorded_metrics()\n"
        f"metrics.{call}\n"
        "print(*[seen.total(sys.argv[1], outcome=outcome) for outcome in sys.argv[2:]])"
    )
    command = [sys.executable, "-c", program, metric, *outcomes]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert len(outcomes) > 1
    assert done.stdout.split() == ["0"] * len(outcomes)
