"""Offline verification of an export, beside a bare loop that decodes each leaf and computes the root of RFC 6962.

Both read the same files, one after the other, each in a process of its own; CPU seconds are compared, since others may
work beside. The verifier also compares every tile and checks positions, times, checkpoints and cosignatures.
"""

import json
import multiprocessing
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

from loadtests.bench.figure import Figure
from loadtests.bench.isolated import Measured, Stopwatch

from yoyaku.audit_log.verify.formats import COSIGNATURE, LOG_SIGNATURE, Key
from yoyaku.audit_log.verify.judge import verify
from yoyaku.testkit.audit_exports import (
    BEGIN,
    WIDTH,
    History,
    Signer,
    leaf_hash,
    path_of,
    sample_entry,
    tiles_of,
    write_files,
)

ENTRIES = 1_000_000
FEW = 20_000
AN_HOUR = 3_600
"""Entries between kept checkpoints, at one entry a second."""
LOG = Signer("audit.yoyaku/bench/1")
WITNESS = Signer("witness.yoyaku/bench", kind=4)

Told = TypeVar("Told")


def measure() -> list[Figure]:
    """Verify a million entries, and a few beside them for the memory."""
    with tempfile.TemporaryDirectory() as folder:
        few = apart(write_export, Path(folder) / "few", FEW)
        many = apart(write_export, Path(folder) / "many", ENTRIES)
        bare, _ = apart(bare_loop, many, ENTRIES)
        verified, memory = apart(verify_export, many, ENTRIES)
        _, memory_of_few = apart(verify_export, few, FEW)
    return [
        Figure(
            name="offline verification, a CPU second",
            value=verified.per_cpu_second,
            unit="entries",
            baseline_name="bare loop: JSON and root",
            baseline=bare.per_cpu_second,
            goal_ratio=0.5,
            note=f"{ENTRIES:,} entries and {ENTRIES // AN_HOUR} kept checkpoints in {verified.wall_seconds:.1f} s",
        ),
        Figure(
            name="its peak memory at a million entries",
            value=memory,
            unit="MiB",
            baseline_name=f"MiB at {FEW:,}",
            baseline=memory_of_few,
            goal_ratio=1.25,
            less_is_better=True,
        ),
    ]


def apart(part: Callable[..., Told], *arguments: object) -> Told:
    """Run in a fresh process, whose peak memory is its own."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:
        return executor.submit(part, *arguments).result()


def bare_loop(directory: Path, entries: int) -> tuple[Measured, float]:
    """Decode each leaf and compute the root, and nothing else."""
    watch, stack = Stopwatch(), Stack()
    watch.start()
    for at in range(0, entries, WIDTH):
        data = (directory / path_of("entries", at // WIDTH, min(WIDTH, entries - at))).read_bytes()
        start = 0
        while start < len(data):
            end = start + 2 + int.from_bytes(data[start : start + 2], "big")
            leaf = data[start + 2 : end]
            json.loads(leaf)
            stack.push(sha256(b"\x00" + leaf).digest())
            start = end
    stack.root()
    return watch.stop(entries), peak_mib()


def verify_export(directory: Path, entries: int) -> tuple[Measured, float]:
    """Verify as the command does. Raises RuntimeError where the export is not whole."""
    watch = Stopwatch()
    watch.start()
    keys, witnesses = [Key.parse(LOG.vkey, LOG_SIGNATURE)], [Key.parse(WITNESS.vkey, COSIGNATURE)]
    report = verify(directory, keys=keys, witnesses=witnesses)
    measured = watch.stop(entries)
    if not report.is_whole or report.entries != entries:
        raise RuntimeError("\n".join(report.lines()))
    return measured, peak_mib()


def peak_mib() -> float:
    """Return the peak of this process's memory since its program was loaded (proc_pid_status(5), VmHWM).

    `getrusage` will not do: its peak outlives `exec`, so a child starts with that of the process that forked it.
    """
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


class Stack:
    """The roots of the full subtrees over the leaves so far: the least that computes a root."""

    def __init__(self) -> None:
        self._roots: list[bytes] = []
        self._size = 0

    def push(self, node: bytes) -> None:
        """Add a leaf hash."""
        at, roots = self._size, self._roots
        while at & 1:
            node = sha256(b"\x01" + roots.pop() + node).digest()
            at >>= 1
        roots.append(node)
        self._size += 1

    def root(self) -> bytes:
        """Return the root over everything pushed."""
        *others, root = self._roots
        for left in reversed(others):
            root = sha256(b"\x01" + left + root).digest()
        return root


def write_export(directory: Path, entries: int) -> Path:
    """Write the export of a log with a cosigned checkpoint an hour."""
    history, stack, hashes = History(LOG.name), Stack(), list[bytes]()
    for at in range(0, entries, WIDTH):
        indices = range(at, min(at + WIDTH, entries))
        leaves = [sample_entry(index, BEGIN + timedelta(seconds=index)) for index in indices]
        bundle = b"".join(len(leaf).to_bytes(2, "big") + leaf for leaf in leaves)
        write_files(directory, {path_of("entries", at // WIDTH, len(leaves)): bundle})
        for index, leaf in zip(indices, leaves, strict=True):
            hashes.append(leaf_hash(leaf))
            stack.push(hashes[-1])
            if (index + 1) % AN_HOUR == 0 or index + 1 == entries:
                history.now = BEGIN + timedelta(seconds=index)
                history.notes[index + 1] = history.note([LOG, WITNESS], index + 1, stack.root())
    kept = {f"checkpoints/{size}": note for size, note in history.notes.items()}
    return write_files(directory, tiles_of(hashes) | kept | {"checkpoint": history.notes[entries]})
