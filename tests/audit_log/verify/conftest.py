"""Honest logs, and verification of their exports after whatever was done to the files."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from yoyaku.audit_log.verify.findings import Report
from yoyaku.audit_log.verify.formats import COSIGNATURE, LOG_SIGNATURE, Key
from yoyaku.audit_log.verify.judge import verify
from yoyaku.audit_log.verify.walk import Limits
from yoyaku.testkit.audit_exports import History, Signer, write_files

ORIGIN = "audit.yoyaku/test/1"


@dataclass(frozen=True)
class Keys:
    """The keys of the test's log, and how a stranger verifies with them."""

    log: Signer
    next: Signer
    witness: Signer

    def verify(
        self, files: Mapping[str, bytes] | Path, directory: Path, *, since: Sequence[bytes] = (), **limits: Any
    ) -> Report:
        """Verify with every key, the witness's included."""
        return verify(
            files if isinstance(files, Path) else write_files(directory, files),
            keys=[Key.parse(signer.vkey, LOG_SIGNATURE) for signer in (self.log, self.next)],
            witnesses=[Key.parse(self.witness.vkey, COSIGNATURE)],
            since=[(f"kept elsewhere {at}", note) for at, note in enumerate(since)],
            limits=Limits(**limits),
        )


def make_keys() -> Keys:
    return Keys(Signer(ORIGIN), Signer(ORIGIN, seed=1), Signer("witness.yoyaku/test", kind=4))


@cache
def _honest(*batches: int) -> History:
    """Return a log with a checkpoint after each batch, signed by two keys in overlap, cosigned but for one restart."""
    keys, history = make_keys(), History()
    for number, count in enumerate(batches):
        history.append(count, timedelta(seconds=20))
        signers = (keys.log,) if number < 2 else (keys.log, keys.next) if number == 2 else (keys.next,)
        history.keep(*signers, *(() if number == 1 else (keys.witness,)))
    return history


@pytest.fixture
def keys() -> Keys:
    return make_keys()


@pytest.fixture(scope="session")
def honest() -> Callable[..., History]:
    """`honest(10, 200)` is a log with a kept checkpoint after 10 and after 210 entries; yours to change."""

    def make(*batches: int) -> History:
        history = _honest(*batches)
        return replace(history, leaves=list(history.leaves), notes=dict(history.notes), bodies=dict(history.bodies))

    return make
