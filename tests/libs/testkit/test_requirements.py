import io
import subprocess
import sys
from pathlib import Path

import pytest

from yoyaku.testkit.requirements import print_coverage

SAMPLE = """
import pytest

@pytest.mark.requirement("XX-02", "XX-01")
@pytest.mark.parametrize("n", [1, 2])
def test_many(n):
    raise AssertionError("must not run")

@pytest.mark.requirement("XX-01")
def test_one():
    raise AssertionError("must not run")

def test_without():
    pass
"""


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    file = tmp_path / "test_sample.py"
    file.write_text(SAMPLE)
    return file


def test_piped_it_prints_one_pair_a_line_and_runs_nothing(sample):
    command = [sys.executable, "-m", "pytest", "--requirements", "-q", "-p", "no:cacheprovider", str(sample)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[3])
    pairs = [line.split("\t") for line in done.stdout.splitlines() if "\t" in line]
    assert [(requirement, test.rpartition("::")[2]) for requirement, test in pairs] == [
        ("XX-01", "test_many"),
        ("XX-01", "test_one"),
        ("XX-02", "test_many"),
    ]
    assert "must not run" not in done.stdout
    assert done.returncode == 0, done.stdout + done.stderr


def test_on_a_terminal_it_is_a_table():
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    output = Terminal()
    print_coverage({"EV-03": ["tests/a.py::test_x", "tests/a.py::test_y"]}, output)
    assert "Requirement" in output.getvalue()
    assert "EV-03" in output.getvalue()
    assert "\t" not in output.getvalue()
