"""The envelope survives the headers, whatever its text holds, and what cannot be read is named."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from yoyaku.contracts.envelope import (
    REQUIRED_HEADERS,
    Envelope,
    EnvelopeError,
    from_headers,
    percent_decode,
    percent_encode,
    to_headers,
)

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine is no failure."""

pytestmark = pytest.mark.requirement("EV-01")

ENVELOPE = Envelope(
    id="01938f2a-7c44-7d31-9b0e-6f1d2c3b4a59",
    source="/booking/07",
    type="booking.reservation.confirmed.v1",
    time=datetime(2026, 11, 23, 9, 30, 0, 123456, UTC),
    subject="reservation/01938f2a-7c44-7d31-9b0e-6f1d2c3b4a50",
    sequence=1042,
    actor="person/01938f2a-0000-7000-8000-000000000001",
    correlation_id="4bf92f3577b34da6a3ce929d0e0e4736",
    causation_id=None,
    client_address="192.0.2.7",
    dataschema="urn:yoyaku:event:booking.reservation.confirmed.v1",
)

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
zones = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
envelopes = st.builds(
    Envelope,
    id=texts,
    source=texts,
    type=texts,
    time=st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=zones),  # noqa: DTZ001 - naive is meant
    subject=texts,
    sequence=st.integers(0, 2**53),
    actor=texts,
    correlation_id=texts,
    causation_id=st.none() | texts,
    client_address=st.none() | texts,
    dataschema=texts,
    datacontenttype=texts,
)


@patient
@given(envelopes)
def test_every_envelope_survives_the_headers(envelope: Envelope) -> None:
    headers = to_headers(envelope)
    assert from_headers(headers) == envelope
    for value in headers.values():
        assert value.isascii()
        assert value.isprintable()
        assert not set(value) & {" ", '"'}


@patient
@given(texts)
def test_encoded_text_is_decoded_to_itself(text: str) -> None:
    assert percent_decode(percent_encode(text)) == text


@pytest.mark.parametrize(
    ("text", "encoded"),
    [
        ("Euro € 😀", "Euro%20%E2%82%AC%20%F0%9F%98%80"),
        ('a "quoted" 100%', "a%20%22quoted%22%20100%25"),
        ("person/1!#$&'()*+,-.:;<=>?@[\\]^_`{|}~", "person/1!#$&'()*+,-.:;<=>?@[\\]^_`{|}~"),
        ("line\r\nbreak\x7f", "line%0D%0Abreak%7F"),
    ],
)
def test_what_is_encoded_follows_the_binding(text: str, encoded: str) -> None:
    assert percent_encode(text) == encoded


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("100%", "100%"),
        ("%zz", "%zz"),
        ("%e4%ba%88", "予"),
        ('"in quotes \\" %41"', 'in quotes " A'),
        ("%41plain", "Aplain"),
    ],
)
def test_what_others_wrote_is_decoded(written: str, text: str) -> None:
    assert percent_decode(written) == text


def test_the_headers_of_an_envelope_are_these() -> None:
    assert to_headers(ENVELOPE) == {
        "ce-specversion": "1.0",
        "ce-id": "01938f2a-7c44-7d31-9b0e-6f1d2c3b4a59",
        "ce-source": "/booking/07",
        "ce-type": "booking.reservation.confirmed.v1",
        "ce-time": "2026-11-23T09:30:00.123456Z",
        "ce-subject": "reservation/01938f2a-7c44-7d31-9b0e-6f1d2c3b4a50",
        "ce-sequence": "1042",
        "ce-actor": "person/01938f2a-0000-7000-8000-000000000001",
        "ce-correlationid": "4bf92f3577b34da6a3ce929d0e0e4736",
        "ce-clientaddress": "192.0.2.7",
        "ce-dataschema": "urn:yoyaku:event:booking.reservation.confirmed.v1",
        "ce-datacontenttype": "application/json",
    }


def test_names_are_read_in_any_case_and_unknown_ones_ignored() -> None:
    headers = {name.upper(): value for name, value in to_headers(ENVELOPE).items()}
    assert from_headers({**headers, "traceparent": "00-x", "ce-later": "y"}) == ENVELOPE


@pytest.mark.parametrize("name", REQUIRED_HEADERS)
def test_a_missing_or_empty_header_is_named(name: str) -> None:
    headers = to_headers(ENVELOPE)
    for broken in ({k: v for k, v in headers.items() if k != name}, {**headers, name: ""}):
        with pytest.raises(EnvelopeError) as caught:
            from_headers(broken)
        assert caught.value.header == name


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ce-specversion", "0.3"),
        ("ce-time", "yesterday"),
        ("ce-time", "2026-11-23T09:30:00"),
        ("ce-time", "2026-11-23"),
        ("ce-time", "2026-02-30T09:30:00Z"),
        ("ce-time", "0001-01-01T00:00:00+23:00"),
        ("ce-sequence", "-1"),
        ("ce-sequence", "1_0"),
        ("ce-sequence", "٣"),
        ("ce-actor", "%ff"),
        ("ce-clientaddress", ""),
        ("ce-causationid", "%80"),
    ],
)
def test_an_unreadable_header_is_named(name: str, value: str) -> None:
    with pytest.raises(EnvelopeError) as caught:
        from_headers({**to_headers(ENVELOPE), name: value})
    assert caught.value.header == name


@patient
@given(st.dictionaries(st.sampled_from([*REQUIRED_HEADERS, "ce-causationid"]), st.text()))
def test_any_headers_are_read_or_refused(values: dict[str, str]) -> None:
    try:
        envelope = from_headers({**to_headers(ENVELOPE), **values})
    except EnvelopeError as refused:
        assert refused.header in values
    else:
        assert from_headers(to_headers(envelope)) == envelope


@pytest.mark.parametrize(
    ("name", "envelope"),
    [
        ("ce-id", replace(ENVELOPE, id="")),
        ("ce-actor", replace(ENVELOPE, actor="\ud800")),
        ("ce-time", replace(ENVELOPE, time=datetime(2026, 1, 1))),  # noqa: DTZ001 - naive is meant
        ("ce-sequence", replace(ENVELOPE, sequence=-1)),
        ("ce-causationid", replace(ENVELOPE, causation_id="")),
    ],
)
def test_an_unwritable_attribute_is_named(name: str, envelope: Envelope) -> None:
    with pytest.raises(EnvelopeError) as caught:
        to_headers(envelope)
    assert caught.value.header == name
