"""Meters, and the histogram buckets that durations and sizes are sorted into.

Invariant: every duration is a histogram in seconds (unit `s`), every size in bytes (unit `By`); the unit alone picks
the buckets, so a new instrument needs no view of its own.
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

import psutil
from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Histogram, Meter, Observation
from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation, View
from opentelemetry.util.types import Attributes

SECOND_BUCKETS: Final = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
    300.0, 1800.0,
)  # fmt: skip
"""From a fast statement to a backup; 0.1 s (blocks), 0.3 s (bookings), 1 s (sign-in) are the goals' own bounds."""

BYTE_BUCKETS: Final = tuple(float(4**exponent * 1024) for exponent in range(13))
"""1 KiB to 16 GiB in steps of four."""


def meter(name: str) -> Meter:
    """Return the meter of a module; it may be taken before `observed` and works from then on."""
    return metrics.get_meter(name)


@contextmanager
def timed(histogram: Histogram, attributes: Attributes = None) -> Iterator[None]:
    """Record how long the block took, in seconds, however it ended; a failure adds `error.type`."""
    started = time.perf_counter()
    outcome: dict[str, str] = {}
    try:
        yield
    except BaseException as exc:
        outcome["error.type"] = type(exc).__name__
        raise
    finally:
        histogram.record(time.perf_counter() - started, {**(attributes or {}), **outcome})


def standard_views() -> list[View]:
    """Return the views that give histograms their buckets by unit."""
    return [
        View(instrument_type=Histogram, instrument_unit=unit, aggregation=ExplicitBucketHistogramAggregation(buckets))
        for unit, buckets in (("s", SECOND_BUCKETS), ("By", BYTE_BUCKETS))
    ]


def observe_process(process_meter: Meter) -> None:
    """Create the instruments of the running process. Source: OpenTelemetry semantic conventions, process metrics."""
    process = psutil.Process()

    def cpu(_: CallbackOptions) -> Iterable[Observation]:
        times = process.cpu_times()
        return (
            Observation(times.user, {"cpu.mode": "user"}),
            Observation(times.system, {"cpu.mode": "system"}),
        )

    def memory(_: CallbackOptions) -> Iterable[Observation]:
        return (Observation(process.memory_info().rss),)

    def descriptors(_: CallbackOptions) -> Iterable[Observation]:
        return (Observation(process.num_fds()),)

    def threads(_: CallbackOptions) -> Iterable[Observation]:
        return (Observation(process.num_threads()),)

    process_meter.create_observable_counter("process.cpu.time", [cpu], unit="s")
    process_meter.create_observable_up_down_counter("process.memory.usage", [memory], unit="By")
    process_meter.create_observable_up_down_counter("process.unix.file_descriptor.count", [descriptors])
    process_meter.create_observable_up_down_counter("process.thread.count", [threads])
