"""A gateway hears of denials from the table though the bus hangs (ID-04)."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from yoyaku.booking.adapters.nats.denials import READ_DENIALS_SECONDS, DenialWatch
from yoyaku.booking.domain.denials import Denial, DenialKind, DeniedTokens
from yoyaku.testkit.clock import SetClock


@pytest.mark.requirement("ID-04")
async def test_a_bus_that_hangs_keeps_no_denial_back(clock: SetClock) -> None:
    hanging: Any = SimpleNamespace(is_connected=True)
    denied = DeniedTokens()
    watch = DenialWatch(hanging, denied, now=clock)
    watch._watch = SimpleNamespace(is_loaded=True)  # type: ignore[assignment]
    denial = Denial(DenialKind.SESSION, str(uuid4()), clock() + timedelta(minutes=15))

    async def read() -> Sequence[Denial]:
        return [denial]

    reading = asyncio.create_task(watch.keep_reading(read))
    await asyncio.sleep(READ_DENIALS_SECONDS + 0.15)
    reading.cancel()
    assert (READ_DENIALS_SECONDS < 1, len(denied)) == (True, 1)
