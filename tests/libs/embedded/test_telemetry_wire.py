import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from yoyaku.embedded.telemetry_wire import MalformedRequestError, TooManyPartsError, Walker

REQUEST = ExportTraceServiceRequest()
for service in ("booking", "audit-log"):
    resource_spans = REQUEST.resource_spans.add()
    attribute = resource_spans.resource.attributes.add()
    attribute.key, attribute.value.string_value = "service.name", service
    for _ in range(2):
        scope = resource_spans.scope_spans.add()
        for number in range(3):
            scope.spans.add(name=f"{service} {number}", start_time_unix_nano=2**63)
BODY = REQUEST.SerializeToString()


def test_records_are_the_spans_with_their_resource() -> None:
    expected = [
        (group.resource.SerializeToString(), span.SerializeToString())
        for group in REQUEST.resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    ]
    found = [(record.resource, record.encoded) for record in Walker(BODY, max_parts=1000).records()]
    assert found == expected
    assert len(found) == 12


def test_resource_is_found_behind_its_spans() -> None:
    group = REQUEST.resource_spans[0]
    resource = b"\x0a" + bytes([group.resource.ByteSize()]) + group.resource.SerializeToString()
    scope = group.scope_spans[0]
    turned_round = b"\x12" + bytes([scope.ByteSize()]) + scope.SerializeToString() + resource
    body = b"\x0a" + bytes([len(turned_round) & 0x7F | 0x80, len(turned_round) >> 7]) + turned_round
    [first, *_] = Walker(body, max_parts=1000).records()
    assert first.resource == group.resource.SerializeToString()


def test_empty_body_has_no_records() -> None:
    assert list(Walker(b"", max_parts=10).records()) == []


@pytest.mark.parametrize("length", range(1, len(BODY), 7))
def test_a_cut_body_is_malformed(length: int) -> None:
    with pytest.raises(MalformedRequestError):
        list(Walker(BODY[:length], max_parts=1000).records())


@pytest.mark.parametrize(
    "body", [b"not protobuf at all", b"\x0a\xff\xff\xff\xff\x0f", b"\x0b", b"\x08\x01", b"\x00\x00", b"\xff" * 40]
)
def test_other_bytes_are_malformed(body: bytes) -> None:
    with pytest.raises(MalformedRequestError):
        list(Walker(body, max_parts=1000).records())


def test_a_body_of_countless_empty_parts_is_refused() -> None:
    with pytest.raises(TooManyPartsError):
        list(Walker(b"\x0a\x00" * 5000, max_parts=1000).records())


@given(st.binary(max_size=300))
def test_any_bytes_end_in_records_or_a_named_error(body: bytes) -> None:
    try:
        records = list(Walker(body, max_parts=1000).records())
    except (MalformedRequestError, TooManyPartsError):
        return
    assert sum(len(record.encoded) for record in records) <= len(body)
