import re

import pytest

from yoyaku.contracts.registry import EVENTS, OWNERS
from yoyaku.contracts.rpc import RPCS
from yoyaku.contracts.subjects import KV_BLOCKS, stream_of
from yoyaku.messaging.topology import BLOCKS, BUCKETS, CONSUMERS, SERVICES, STREAMS


@pytest.mark.requirement("EV-02")
@pytest.mark.parametrize("event_type", EVENTS)
def test_every_event_has_one_stream_and_one_service_that_may_publish_it(event_type: str) -> None:
    wildcard = f"{event_type.partition('.')[0]}.>"
    assert [name for name, spec in STREAMS.items() if wildcard in spec.subjects] == [stream_of(event_type)]
    owner = OWNERS[event_type.partition(".")[0]]
    assert [name for name, spec in SERVICES.items() if wildcard in spec.publishes] == [owner]


@pytest.mark.requirement("EV-02")
def test_the_streams_are_those_of_the_specification() -> None:
    assert list(STREAMS) == ["BOOKING", "IDENTITY", "SECURITY", "BACKUP", "AUDIT", "DEAD_LETTERS"]


@pytest.mark.parametrize("durable", CONSUMERS)
def test_a_consumer_belongs_to_one_service_and_can_hold_what_its_pulls_hold(durable: str) -> None:
    spec = CONSUMERS[durable]
    assert re.fullmatch(r"[a-z-]+_[a-z]+", durable)
    assert durable == f"{spec.owner}_{spec.stream.lower()}"
    assert [name for name, service in SERVICES.items() if spec in service.consumes] == [spec.owner]
    assert set(spec.filter_subjects) <= set(STREAMS[spec.stream].subjects)
    assert spec.max_ack_pending > 3 * spec.batch_size
    assert spec.max_deliver > 5


@pytest.mark.requirement("AU-01")
def test_the_audit_log_reads_every_stream_of_events() -> None:
    assert [c.stream for c in SERVICES["audit-log"].consumes] == ["BOOKING", "IDENTITY", "SECURITY", "BACKUP", "AUDIT"]


@pytest.mark.parametrize("subject", RPCS)
def test_a_question_is_answered_by_the_service_the_contract_names(subject: str) -> None:
    assert [name for name, spec in SERVICES.items() if subject in spec.serves] == [RPCS[subject].service]


def test_the_bucket_of_blocks_is_the_one_of_the_contract() -> None:
    assert BUCKETS[KV_BLOCKS] is BLOCKS
