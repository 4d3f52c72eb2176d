from collections.abc import Awaitable, Callable

import pytest
from nats.js import JetStreamContext

from yoyaku.messaging.broker import ServiceBroker, jetstream
from yoyaku.messaging.kv import KvWatch, kv_delete, kv_put_with_ttl, kv_read
from yoyaku.messaging.topology import BLOCKS
from yoyaku.testkit.bus import Bus

BrokerOf = Callable[[str], Awaitable[ServiceBroker]]
HOUR = 3600.0


class Copy:
    """What a watch told."""

    def __init__(self) -> None:
        self.now: dict[str, bytes] = {}
        self.told: list[str] = []

    def put(self, key: str, value: bytes) -> None:
        self.told.append(f"put {key}")
        self.now[key] = value

    def delete(self, key: str) -> None:
        self.told.append(f"delete {key}")
        del self.now[key]


@pytest.fixture
def copy() -> Copy:
    return Copy()


@pytest.fixture
async def watch(broker_of: BrokerOf, copy: Copy):
    made: list[KvWatch] = []

    async def start(**options: float) -> KvWatch:
        made.append(KvWatch(await broker_of("booking"), BLOCKS, copy.put, copy.delete, **options))
        await made[-1].start()
        return made[-1]

    yield start
    for one in made:
        await one.stop()


@pytest.fixture
async def detector(broker_of: BrokerOf) -> JetStreamContext:
    return jetstream(await broker_of("security-detector"))


@pytest.mark.requirement("GW-05")
async def test_the_initial_state_is_told_whole_before_loaded(detector, watch, copy: Copy, until) -> None:
    for number in range(700):  # more than one page
        await kv_put_with_ttl(detector, BLOCKS, f"k{number}", str(number).encode(), HOUR)
    await kv_delete(detector, BLOCKS, "k3")
    started = await watch()
    assert not started.is_loaded
    await started.wait_until_loaded()
    assert copy.now == {f"k{n}": str(n).encode() for n in range(700) if n != 3}
    assert await kv_read(detector, BLOCKS) == copy.now


@pytest.mark.requirement("GW-05")
async def test_an_empty_bucket_is_loaded_too(bus: Bus, watch, copy: Copy) -> None:
    await (await watch()).wait_until_loaded()
    assert copy.now == {}


@pytest.mark.requirement("SD-03")
async def test_changes_are_told_without_waiting_for_a_resync(detector, watch, copy: Copy, until) -> None:
    await (await watch(resync_seconds=10_000.0)).wait_until_loaded()
    await kv_put_with_ttl(detector, BLOCKS, "a", b"1", HOUR)
    await until(lambda: copy.now == {"a": b"1"})
    await kv_put_with_ttl(detector, BLOCKS, "a", b"2", HOUR)
    await until(lambda: copy.now == {"a": b"2"})
    await kv_delete(detector, BLOCKS, "a")
    await until(lambda: copy.now == {})
    assert copy.told == ["put a", "put a", "delete a"]


@pytest.mark.requirement("SD-03")
async def test_a_key_whose_time_is_over_is_told_as_deleted(detector, watch, copy: Copy, until) -> None:
    await (await watch(resync_seconds=0.2)).wait_until_loaded()
    await kv_put_with_ttl(detector, BLOCKS, "short", b"1", 1.0)
    await kv_put_with_ttl(detector, BLOCKS, "long", b"1", HOUR)
    await until(lambda: set(copy.now) == {"short", "long"})
    await until(lambda: set(copy.now) == {"long"})
    assert await kv_read(detector, BLOCKS) == {"long": b"1"}


@pytest.mark.requirement("SD-03")
async def test_a_resync_tells_nothing_twice(detector, watch, copy: Copy, until) -> None:
    await kv_put_with_ttl(detector, BLOCKS, "a", b"1", HOUR)
    started = await watch(resync_seconds=0.02)
    await started.wait_until_loaded()
    first = started.seconds_since_sync
    assert first is not None
    await kv_put_with_ttl(detector, BLOCKS, "b", b"1", HOUR)
    await until(lambda: "b" in copy.now)
    synced: set[float] = set()
    await until(lambda: synced.add(started._synced_at) or len(synced) > 4)
    assert copy.told == ["put a", "put b"]


@pytest.mark.requirement("GW-05", "SD-03")
async def test_after_a_kill_of_nats_what_changed_meanwhile_is_told(
    bus: Bus, nats_server, detector, watch, copy: Copy, until
) -> None:
    for key in ("kept", "gone"):
        await kv_put_with_ttl(detector, BLOCKS, key, b"1", HOUR)
    started = await watch(resync_seconds=10_000.0)
    await started.wait_until_loaded()
    watching = started._subscription
    assert watching is not None
    await watching.unsubscribe()  # deaf from here on: only the reading after the reconnection can tell
    await kv_put_with_ttl(detector, BLOCKS, "kept", b"2", HOUR)
    await kv_put_with_ttl(detector, BLOCKS, "fresh", b"1", HOUR)
    await kv_delete(detector, BLOCKS, "gone")
    assert copy.now == {"kept": b"1", "gone": b"1"}
    nats_server.kill()
    nats_server.restart()
    await until(lambda: copy.now == {"kept": b"2", "fresh": b"1"})


@pytest.mark.requirement("SD-03")
async def test_after_a_kill_of_nats_changes_are_heard_again(
    bus: Bus, nats_server, detector, watch, copy: Copy, broker_of: BrokerOf, until
) -> None:
    await (await watch(resync_seconds=10_000.0)).wait_until_loaded()
    nats_server.kill()
    nats_server.restart()
    again = jetstream(await broker_of("security-detector"))
    await kv_put_with_ttl(again, BLOCKS, "a", b"1", HOUR)
    await until(lambda: "a" in copy.now)
    await kv_put_with_ttl(again, BLOCKS, "a", b"2", HOUR)
    await until(lambda: copy.now["a"] == b"2")


@pytest.mark.requirement("GW-05")
async def test_a_bucket_that_cannot_be_read_is_tried_again_until_it_can(
    js: JetStreamContext, watch, copy: Copy, until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("yoyaku.messaging.kv.RETRY_SECONDS", 0.05)
    monkeypatch.setattr("yoyaku.messaging.stored.TIMEOUT_SECONDS", 0.2)
    config = (await js.stream_info(BLOCKS.stream)).config
    await js.delete_stream(BLOCKS.stream)
    started = await watch()
    await until(lambda: started._task is not None and not started.is_loaded)
    await js.add_stream(config)
    await started.wait_until_loaded()


async def test_a_bucket_is_one_to_other_clients_too(js: JetStreamContext, detector) -> None:
    await kv_put_with_ttl(detector, BLOCKS, "a", b"1", HOUR)
    bucket = await js.key_value("blocks")
    assert (await bucket.get("a")).value == b"1"


@pytest.mark.requirement("BC-04")
async def test_a_bucket_that_was_made_anew_is_followed_though_it_counts_from_the_start(
    js: JetStreamContext, detector, watch, copy: Copy, until
) -> None:
    for number in range(5):
        await kv_put_with_ttl(detector, BLOCKS, f"k{number}", b"old", HOUR)
    await (await watch(resync_seconds=0.1)).wait_until_loaded()
    config = (await js.stream_info(BLOCKS.stream)).config
    await js.delete_stream(BLOCKS.stream)
    await js.add_stream(config)
    await kv_put_with_ttl(detector, BLOCKS, "k4", b"new", HOUR)
    await until(lambda: copy.now == {"k4": b"new"})


@pytest.mark.requirement("GW-05")
async def test_a_value_its_reader_cannot_take_does_not_end_the_watch(
    detector, broker_of: BrokerOf, copy: Copy, until, logged
) -> None:
    def put(key: str, value: bytes) -> None:
        copy.put(key, bytes([int(value)]))

    watch = KvWatch(await broker_of("booking"), BLOCKS, put, copy.delete)
    await kv_put_with_ttl(detector, BLOCKS, "a", b"no number", HOUR)
    await watch.start()
    await watch.wait_until_loaded()
    await kv_put_with_ttl(detector, BLOCKS, "b", b"no number", HOUR)
    await kv_put_with_ttl(detector, BLOCKS, "c", b"7", HOUR)
    await until(lambda: copy.now == {"c": b"\x07"})
    assert [line["key"] for line in logged.named("a bucket's change was not taken")] == ["a", "b"]
    await watch.stop()
