import io

import pytest
from rich.console import Console

from yoyaku.embedded.status import ProcessStatus, SystemStatus, processes_table

FOUND = SystemStatus(
    gateway_url="http://127.0.0.1:8080",
    since="",
    processes=[ProcessStatus("backup-coordinator", 4194304, "ready", 93784, 12, "pass", 1023.4)],
    supervisor_memory_mib=40.0,
    consumers={},
    outboxes={},
)


@pytest.mark.parametrize("width", [60, 70, 80, 100])
def test_each_process_is_one_whole_line(width: int) -> None:
    console = Console(file=io.StringIO(), width=width)
    console.print(processes_table(FOUND, width))
    assert isinstance(console.file, io.StringIO)
    [line] = [line for line in console.file.getvalue().splitlines() if "backup-coordinator" in line]
    shown = ["backup-coordinator", "ready", "26h03m", "pass", "1023", "MiB"]
    assert line.split() == (shown if width < 76 else [shown[0], "4194304", *shown[1:3], "12", *shown[3:]])
