import pytest
from nats.aio.msg import Msg
from opentelemetry.context import Context

from yoyaku.contracts.booking_v1 import RoomCreated
from yoyaku.contracts.registry import encode
from yoyaku.messaging.received import ReceivedEvent, UnknownVersionError, UnreadableEventError, receive

HEADERS = {
    "ce-specversion": "1.0",
    "ce-id": "0190b0a4-0000-7000-8000-000000000001",
    "ce-source": "/booking/07",
    "ce-type": "booking.room.created.v1",
    "ce-time": "2026-11-23T09:00:00Z",
    "ce-subject": "room/1",
    "ce-dataschema": "urn:yoyaku:event:booking.room.created.v1",
    "ce-datacontenttype": "application/json",
    "ce-correlationid": "c",
    "ce-actor": "operator",
    "ce-sequence": "3",
}
ROOM = RoomCreated(room_id=1, site="京都", capacity=4, time_zone="Asia/Tokyo")


def received(data: bytes, **changed: str) -> ReceivedEvent:
    reply = "$JS.ACK.BOOKING.audit-log_booking.2.17.18.1732352400000000000.5"
    headers = {name: value for name, value in (HEADERS | changed).items() if value}
    return receive(
        Msg(_client=None, subject="booking.room.created.v1", reply=reply, data=data, headers=headers),
        lambda _: Context(),
    )


@pytest.mark.requirement("EV-01")
def test_a_readable_event_has_its_envelope_its_model_and_where_it_came_from() -> None:
    event = received(encode(ROOM))
    assert event.problem is None
    assert event.event() == ROOM
    assert (event.stream, event.stream_sequence, event.delivered_count) == ("BOOKING", 17, 2)
    assert event.envelope is not None
    assert (event.envelope.sequence, event.envelope.actor, event.type) == (3, "operator", "booking.room.created.v1")
    assert event.received_at.tzinfo is not None


@pytest.mark.requirement("EV-06")
def test_fields_of_a_newer_version_are_ignored() -> None:
    assert received(encode(ROOM)[:-1] + b',"colour":"red"}').event() == ROOM


@pytest.mark.requirement("EV-05")
@pytest.mark.parametrize("name", [name for name in HEADERS if name not in ("ce-datacontenttype", "ce-dataschema")])
def test_a_missing_header_is_a_problem_that_names_it(name: str) -> None:
    event = received(encode(ROOM), **{name: ""})
    assert event.envelope is None
    assert name in (event.problem or "")
    assert event.type == "unreadable"
    with pytest.raises(UnreadableEventError, match=name):
        event.event()


@pytest.mark.requirement("EV-05")
@pytest.mark.parametrize("data", [b"", b"\xff", b"[]", b"{}", b'{"room_id":1e999}', b"{" * 100_000])
def test_a_body_that_does_not_fit_is_a_problem_and_keeps_its_envelope(data: bytes) -> None:
    event = received(data)
    assert event.envelope is not None
    assert event.problem
    assert event.data == data
    with pytest.raises(UnreadableEventError):
        event.event()


@pytest.mark.requirement("EV-06")
def test_an_unknown_version_is_told_apart_from_what_nobody_could_read() -> None:
    event = received(encode(ROOM), **{"ce-type": "booking.room.created.v2"})
    assert event.unknown_type
    with pytest.raises(UnknownVersionError, match=r"booking\.room\.created\.v2"):
        event.event()


@pytest.mark.requirement("EV-05")
def test_a_moment_in_the_body_that_utc_cannot_hold_is_a_problem_and_no_crash() -> None:
    event = received(
        b'{"closure_id":"1","room_id":1,"starts_at":"0001-01-01T00:00:00+23:59"}',
        **{"ce-type": "booking.room.closed.v1"},
    )
    assert "starts_at" in (event.problem or "")
    assert event.envelope is not None
