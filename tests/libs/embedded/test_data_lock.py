import os
import subprocess
import sys

import pytest

from yoyaku.embedded.data_lock import DataInUseError, DataLock, holder_of

HOLDER = """
import sys, time
from pathlib import Path
from yoyaku.embedded.data_lock import DataLock
DataLock(Path(sys.argv[1])).take(8123)
print("held", flush=True)
time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.mark.requirement("DL-01")
def test_a_second_start_is_told_who_holds_the_data(tmp_path, holder):
    with pytest.raises(DataInUseError) as refusal:
        DataLock(tmp_path).take(9999)
    assert str(holder.pid) in str(refusal.value)
    assert "8123" in str(refusal.value)
    assert refusal.value.holder is not None
    assert refusal.value.holder.since.endswith("+00:00")


def test_the_lock_of_a_killed_holder_is_free(tmp_path, holder):
    holder.kill()
    holder.wait()
    assert holder_of(tmp_path) is None
    with DataLock(tmp_path).take(1):
        found = holder_of(tmp_path)
    assert found is not None
    assert found.pid == os.getpid()


def test_asking_who_holds_it_neither_takes_nor_makes_anything(tmp_path):
    assert holder_of(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_a_released_lock_can_be_taken_again(tmp_path):
    with DataLock(tmp_path).take(1):
        pass
    with DataLock(tmp_path).take(2):
        found = holder_of(tmp_path)
    assert found is not None
    assert found.port == 2
