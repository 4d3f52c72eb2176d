"""`python -m loadtests.bench [names] [--json]`: run benchmarks, print figures beside baselines, keep a history."""

import argparse
import importlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from pkgutil import iter_modules

from loadtests.bench.figure import Benchmark, Figure
from rich.console import Console
from rich.table import Table

MACHINERY = {"__main__", "empty_route", "figure", "isolated", "servers", "stage", "workload"}
NAMES = sorted(module.name for module in iter_modules([str(Path(__file__).parent)]) if module.name not in MACHINERY)
"""The modules of this package that measure; one is added by putting it there."""

HISTORY = Path(".yoyaku/bench-history.jsonl")


PIPED_WIDTH = 150
"""Where there is no terminal whose width counts, a figure stands on one line."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for; 0 whether or not goals are met: figures are reported, not gated."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"which of {', '.join(NAMES)}; all without one")
    parser.add_argument("--json", action="store_true", help="print one JSON line a figure instead of a table")
    chosen = parser.parse_args(arguments)
    unknown = sorted(set(chosen.names) - set(NAMES))
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(NAMES)}")
    console = Console(stderr=True)
    figures: list[Figure] = []
    for name in chosen.names or NAMES:
        with console.status(f"measuring {name}"):
            figures += benchmark(name).measure()
    keep(figures)
    if chosen.json:
        for figure in figures:
            sys.stdout.write(json.dumps(figure.as_record()) + "\n")
    else:
        shown = Console()
        if not shown.is_terminal:
            shown.width = PIPED_WIDTH
        shown.print(table(figures))
    return 0


def benchmark(name: str) -> Benchmark:
    """Load one benchmark."""
    module: Benchmark = importlib.import_module(f"loadtests.bench.{name}")
    return module


def table(figures: Sequence[Figure]) -> Table:
    """Draw the figures for people."""
    drawn = Table(title="Yoyaku benchmarks", caption=f"baselines are from the same run; history in {HISTORY}")
    for column in ("figure", "measured", "baseline", "ratio", "goal", ""):
        drawn.add_column(column, justify="right" if column in {"measured", "ratio"} else "left")
    for figure in figures:
        ratio = f"{figure.ratio:.2f}" if figure.ratio is not None else ""
        mark = {None: "", True: "[green]met[/green]", False: "[red]not met[/red]"}[figure.is_met]
        drawn.add_row(
            figure.name + (f"\n[dim]{figure.note}[/dim]" if figure.note else ""),
            f"{figure.value:,.0f} {figure.unit}",
            f"{figure.baseline:,.0f} {figure.baseline_name}" if figure.baseline else figure.baseline_name,
            ratio,
            _goal(figure),
            mark,
        )
    return drawn


def _goal(figure: Figure) -> str:
    sign = "≤" if figure.less_is_better else "≥"
    goals = []
    if figure.goal is not None:
        goals.append(f"{sign} {figure.goal:,.0f} {figure.unit}")
    if figure.goal_ratio is not None:
        goals.append(f"ratio {sign} {figure.goal_ratio:.2f}")
    return ", ".join(goals)


def keep(figures: Sequence[Figure]) -> None:
    """Append this run to the history file, one JSON line a run."""
    HISTORY.parent.mkdir(parents=True, exist_ok=True)
    run = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "machine": {"cores": os.cpu_count(), "processor": platform.machine(), "load": os.getloadavg()[0]},
        "python": platform.python_version(),
        "figures": [figure.as_record() for figure in figures],
    }
    with HISTORY.open("a", encoding="utf-8") as history:
        history.write(json.dumps(run) + "\n")


def _commit() -> str | None:
    try:
        done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
