from collections.abc import Awaitable, Callable

import pytest
from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, StorageType, StreamConfig

from yoyaku.messaging.broker import ServiceBroker, jetstream
from yoyaku.messaging.provision import Drift, ProvisionError, find_drift, provision, report_drift
from yoyaku.messaging.topology import BUCKETS, CONSUMERS, SERVICES, STREAMS

BrokerOf = Callable[[str], Awaitable[ServiceBroker]]


@pytest.mark.requirement("EV-02")
async def test_the_server_has_what_is_declared_and_a_second_run_changes_nothing(js: JetStreamContext) -> None:
    names = {info.config.name: info.config for info in await js.streams_info()}
    assert set(names) == {*STREAMS, *(bucket.stream for bucket in BUCKETS.values())}
    before = {name: (await js.stream_info(name)).config for name in names}
    await provision(js)
    assert {name: (await js.stream_info(name)).config for name in names} == before
    assert await find_drift(js) == []


@pytest.mark.requirement("EV-02")
@pytest.mark.parametrize("stream", STREAMS)
async def test_a_stream_keeps_its_events_on_disk_and_refuses_new_ones_when_full(
    js: JetStreamContext, stream: str
) -> None:
    config = (await js.stream_info(stream)).config
    assert (config.discard, config.storage) == (DiscardPolicy.NEW, StorageType.FILE)
    assert (config.duplicate_window, config.max_age) == (120, STREAMS[stream].max_age.total_seconds())
    assert config.max_bytes == STREAMS[stream].max_bytes > 0


@pytest.mark.requirement("EV-02")
async def test_nothing_that_exists_is_removed_or_emptied(js: JetStreamContext) -> None:
    await js.publish("booking.room.created.v1", b"{}")
    await js.add_stream(StreamConfig(name="OTHER", subjects=["other.>"]))
    await js.add_consumer("BOOKING", durable_name="somebody")
    await provision(js)
    assert (await js.stream_info("BOOKING")).state.messages == 1
    assert await find_drift(js) == [
        Drift("consumer", "BOOKING/somebody", "unknown", "absent", "present"),
        Drift("stream", "OTHER", "unknown", "absent", "present"),
    ]


@pytest.mark.requirement("EV-02")
async def test_each_difference_is_named_with_what_is_expected_and_found_and_repaired(js: JetStreamContext) -> None:
    booking = (await js.stream_info("BOOKING")).config
    await js.update_stream(booking.evolve(discard=DiscardPolicy.OLD, max_age=600.0))
    info = await js.consumer_info("BOOKING", "audit-log_booking")
    await js.add_consumer("BOOKING", info.config.evolve(max_deliver=3, filter_subjects=["booking.room.>"]))
    await js.delete_consumer("IDENTITY", "security-detector_identity")
    await js.delete_stream("BACKUP")
    await js.delete_stream("KV_blocks")
    drifts = await find_drift(js)
    assert set(drifts) == {
        Drift("stream", "BOOKING", "discard", "new", "old"),
        Drift("stream", "BOOKING", "max_age", "2592000 s", "600 s"),
        Drift("consumer", "audit-log_booking", "max_deliver", "25", "3"),
        Drift("consumer", "audit-log_booking", "filter_subjects", "booking.>", "booking.room.>"),
        Drift("consumer", "security-detector_identity", "missing", "present", "absent"),
        Drift("stream", "BACKUP", "missing", "present", "absent"),
        Drift("consumer", "audit-log_backup", "missing", "present", "absent"),
        Drift("bucket", "KV_blocks", "missing", "present", "absent"),
    }
    assert "discard is old, expected new" in {str(drift).partition(": ")[2] for drift in drifts}
    await provision(js)
    assert await find_drift(js) == []


async def test_what_the_server_cannot_change_is_an_error_that_names_the_stream(js: JetStreamContext) -> None:
    await js.delete_stream("BACKUP")
    await js.add_stream(StreamConfig(name="BACKUP", subjects=["backup.>"], storage=StorageType.MEMORY))
    with pytest.raises(ProvisionError, match="BACKUP"):
        await provision(js)


@pytest.mark.requirement("EV-02", "EV-08")
@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_can_check_its_own_part_with_its_own_rights(
    js: JetStreamContext, broker_of: BrokerOf, service: str
) -> None:
    own = jetstream(await broker_of(service))
    assert await find_drift(own, service=service) == []
    for durable in SERVICES[service].consumes:
        await js.delete_consumer(durable.stream, durable.durable)
    found = await find_drift(own, service=service)
    assert [drift.name for drift in found] == [consumer.durable for consumer in SERVICES[service].consumes]


@pytest.mark.requirement("EV-02")
async def test_a_service_logs_each_drift_and_changes_nothing(js: JetStreamContext, broker_of: BrokerOf, logged) -> None:
    await js.delete_consumer("IDENTITY", "security-detector_identity")
    drifts = await report_drift(jetstream(await broker_of("security-detector")), service="security-detector")
    assert [drift.field for drift in drifts] == ["missing"]
    (line,) = logged.named("the bus differs from its declaration")
    assert (line["service"], line["name"]) == ("security-detector", "security-detector_identity")
    assert [consumer.name for consumer in await js.consumers_info("IDENTITY")] == ["audit-log_identity"]


@pytest.mark.requirement("EV-02")
async def test_every_consumer_waits_for_an_explicit_acknowledgement(js: JetStreamContext) -> None:
    for spec in CONSUMERS.values():
        config = (await js.consumer_info(spec.stream, spec.durable)).config
        assert config.ack_policy == "explicit"
