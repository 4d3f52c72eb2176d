"""Prints which tests cover which requirement of the specification: `pytest --requirements`.

A table for people; one tab-separated line for each pair when the output is piped.
"""

from collections.abc import Iterable, Mapping
from typing import TextIO

import pytest
from rich.console import Console
from rich.table import Table

MARKER = "requirement"


def covered(items: Iterable[pytest.Item]) -> dict[str, list[str]]:
    """Return the ids of tests by requirement, both sorted; a parametrised test counts once."""
    found: dict[str, set[str]] = {}
    for item in items:
        for marker in item.iter_markers(MARKER):
            for requirement in marker.args:
                found.setdefault(str(requirement), set()).add(item.nodeid.partition("[")[0])
    return {requirement: sorted(tests) for requirement, tests in sorted(found.items())}


def print_coverage(coverage: Mapping[str, list[str]], output: TextIO) -> None:
    """Write the table to `output`."""
    if not output.isatty():
        for requirement, tests in coverage.items():
            output.writelines(f"{requirement}\t{test}\n" for test in tests)
        return
    table = Table("Requirement", "Tests", "Where", title="Requirements and the tests that cover them")
    for requirement, tests in coverage.items():
        files = sorted({test.partition("::")[0] for test in tests})
        table.add_row(requirement, str(len(tests)), "\n".join(files))
    Console(file=output).print(table)
