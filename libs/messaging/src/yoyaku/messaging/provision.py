"""Bringing the server to what `topology` declares, and naming what differs.

`provision` creates and updates and removes nothing, so it can be run again at any time. Services never call it: they
call `find_drift` for their own part at start and log what it says.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from loguru import logger
from nats.errors import Error
from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DiscardPolicy,
    RePublish,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)
from nats.js.errors import APIError, NotFoundError

from yoyaku.messaging.topology import (
    BUCKETS,
    CONSUMERS,
    DUPLICATE_WINDOW,
    SERVICES,
    STREAMS,
    BucketSpec,
    ConsumerSpec,
    StreamSpec,
)

MISSING: Final = "missing"
UNKNOWN: Final = "unknown"
_NANOSECONDS: Final = frozenset({"max_age", "duplicate_window", "ack_wait"})


class ProvisionError(Exception):
    """The server did not take a declared stream, bucket or consumer; names it and the server's reason."""


@dataclass(frozen=True, slots=True)
class Drift:
    """One difference between the declaration and the server. `field` is `missing`, `unknown`, or a setting's name."""

    kind: str
    name: str
    field: str
    expected: str
    found: str

    def __str__(self) -> str:
        if self.field in (MISSING, UNKNOWN):
            return f"{self.kind} {self.name} is {self.field}"
        return f"{self.kind} {self.name}: {self.field} is {self.found}, expected {self.expected}"


def stream_config(spec: StreamSpec, *, replicas: int = 1) -> StreamConfig:
    """Give the server's configuration of a stream."""
    return StreamConfig(
        name=spec.name,
        description=spec.description,
        subjects=list(spec.subjects),
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        discard=DiscardPolicy.NEW,
        max_age=spec.max_age.total_seconds(),
        max_bytes=spec.max_bytes,
        max_msgs=-1,
        num_replicas=replicas,
        duplicate_window=DUPLICATE_WINDOW.total_seconds(),
        allow_direct=True,
    )


def bucket_config(spec: BucketSpec, *, replicas: int = 1) -> StreamConfig:
    """Give the configuration of the stream that keeps a bucket: the layout every NATS client knows as key-value."""
    return StreamConfig(
        name=spec.stream,
        description=spec.description,
        subjects=[f"{spec.key_prefix}>"],
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        discard=DiscardPolicy.NEW,
        max_age=0,
        max_bytes=spec.max_bytes,
        max_msgs=-1,
        max_msgs_per_subject=1,
        num_replicas=replicas,
        duplicate_window=DUPLICATE_WINDOW.total_seconds(),
        allow_direct=True,
        allow_rollup_hdrs=True,
        deny_delete=True,
        allow_msg_ttl=True,
        republish=RePublish(src=f"{spec.key_prefix}>", dest=spec.changes_subject),
    )


def consumer_config(spec: ConsumerSpec) -> ConsumerConfig:
    """Give the server's configuration of a consumer."""
    return ConsumerConfig(
        name=spec.durable,
        durable_name=spec.durable,
        description=f"Read by {spec.owner}.",
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=spec.ack_wait_seconds,
        max_deliver=spec.max_deliver,
        max_ack_pending=spec.max_ack_pending,
        filter_subjects=list(spec.filter_subjects),
    )


async def provision(js: JetStreamContext, *, replicas: int = 1) -> None:
    """Create or update every stream, bucket and consumer. Idempotent; removes nothing. Raises ProvisionError."""
    for config in _declared_streams(replicas).values():
        await _apply_stream(js, config)
    for spec in CONSUMERS.values():
        try:
            await js.add_consumer(spec.stream, consumer_config(spec))
        except Error as error:
            raise ProvisionError(f"consumer {spec.durable}: {_reason(error)}") from error
    logger.bind(streams=len(STREAMS), buckets=len(BUCKETS), consumers=len(CONSUMERS)).info("bus provisioned")


async def _apply_stream(js: JetStreamContext, config: StreamConfig) -> None:
    try:
        try:
            await js.stream_info(str(config.name))
        except NotFoundError:
            await js.add_stream(config)
        else:
            await js.update_stream(config)
    except Error as error:
        raise ProvisionError(f"stream {config.name}: {_reason(error)}") from error


async def find_drift(js: JetStreamContext, *, service: str | None = None, replicas: int = 1) -> list[Drift]:
    """Name each difference between the declaration and the server.

    With `service`, only what that service uses, which its own permissions suffice for; without, everything, streams
    and consumers that nobody declared included.
    """
    streams = _declared_streams(replicas)
    consumers = list(CONSUMERS.values())
    if service is not None:
        spec = SERVICES[service]
        wanted = {*spec.streams, *(bucket.stream for bucket in (*spec.reads,))}
        streams = {name: config for name, config in streams.items() if name in wanted}
        consumers = list(spec.consumes)
    drifts = [drift for config in streams.values() for drift in await _stream_drift(js, config)]
    drifts += [drift for consumer in consumers for drift in await _consumer_drift(js, consumer)]
    if service is None:
        drifts += await _unknown(js, streams)
    return drifts


async def report_drift(js: JetStreamContext, *, service: str) -> list[Drift]:
    """Find the drift of one service's part and log each; a server that does not answer is logged too."""
    try:
        drifts = await find_drift(js, service=service)
    except (Error, TimeoutError) as error:
        logger.bind(service=service, error=type(error).__name__).warning("the bus could not be checked for drift")
        return []
    for drift in drifts:
        bound = logger.bind(service=service, kind=drift.kind, name=drift.name, field=drift.field)
        bound.bind(expected=drift.expected, found=drift.found).error("the bus differs from its declaration")
    return drifts


def _declared_streams(replicas: int) -> dict[str, StreamConfig]:
    declared = {spec.name: stream_config(spec, replicas=replicas) for spec in STREAMS.values()}
    return declared | {spec.stream: bucket_config(spec, replicas=replicas) for spec in BUCKETS.values()}


async def _stream_drift(js: JetStreamContext, config: StreamConfig) -> list[Drift]:
    name = str(config.name)
    kind = "bucket" if name.startswith("KV_") else "stream"
    try:
        info = await js.stream_info(name)
    except NotFoundError:
        return [Drift(kind, name, MISSING, "present", "absent")]
    return _differences(kind, name, config.as_dict(), info.config.as_dict())


async def _consumer_drift(js: JetStreamContext, spec: ConsumerSpec) -> list[Drift]:
    try:
        info = await js.consumer_info(spec.stream, spec.durable)
    except NotFoundError:
        return [Drift("consumer", spec.durable, MISSING, "present", "absent")]
    found = info.config.as_dict() if info.config is not None else {}
    if single := found.get("filter_subject"):
        found["filter_subjects"] = [single]
    return _differences("consumer", spec.durable, consumer_config(spec).as_dict(), found)


def _differences(kind: str, name: str, expected: dict[str, Any], found: dict[str, Any]) -> list[Drift]:
    """Compare what is declared; what is not declared is the server's to choose."""
    return [
        Drift(kind, name, field, _text(field, value), _text(field, found.get(field)))
        for field, value in expected.items()
        if value is not None and _text(field, value) != _text(field, found.get(field))
    ]


async def _unknown(js: JetStreamContext, declared: Iterable[str]) -> list[Drift]:
    names = set(declared)
    drifts = []
    for info in await js.streams_info():
        stream = str(info.config.name)
        if stream not in names:
            drifts.append(Drift("stream", stream, UNKNOWN, "absent", "present"))
            continue
        for consumer in await js.consumers_info(stream):
            known = CONSUMERS.get(consumer.name)
            if known is None or known.stream != stream:
                drifts.append(Drift("consumer", f"{stream}/{consumer.name}", UNKNOWN, "absent", "present"))
    return drifts


def _text(field: str, value: object) -> str:
    plain = getattr(value, "value", value)
    if field in _NANOSECONDS and isinstance(plain, int):
        return f"{plain // 10**9} s"
    if isinstance(plain, list):
        return ", ".join(sorted(str(part) for part in plain))
    if isinstance(plain, dict):
        return ", ".join(f"{key}={plain[key]}" for key in sorted(plain) if plain[key] is not None)
    if isinstance(plain, bool) or plain is None:
        return str(bool(plain)).lower()
    return str(plain)


def _reason(error: Error) -> str:
    return str(error.description) if isinstance(error, APIError) else str(error) or type(error).__name__
