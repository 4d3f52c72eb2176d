"""Secrets in every spelling people and programs use."""

import json
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, SecretStr, ValidationError

from yoyaku.observability.redaction import REDACTED, is_forbidden, redact_fields, redact_text, redact_value

pytestmark = pytest.mark.requirement("OB-03")

SECRET = "hunter2horse"
JWT = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"
NKEY_SEED = "SUAGMJH5XLGZKQQWAWKRZJIGMOU4HPFUYLXJMXOO5NLFEO2OOQJ5LPRDPM"


@dataclass
class Reservation:
    room_id: int
    title: str


@pytest.mark.parametrize(
    "text",
    [
        f"password={SECRET}",
        f"password = '{SECRET} with blanks'",
        f'{{"password": "{SECRET}"}}',
        f'{{\\"token\\": \\"{SECRET} x\\"}}',
        f"{{'refresh_token': '{SECRET}', 'room': 7}}",
        f"PGPASSWORD={SECRET} psql",
        f"--db-password={SECRET}",
        f"client_secret: {SECRET}",
        f"X-Api-Key: {SECRET}",
        f"Authorization: Bearer {SECRET}",
        f"authorization: Basic {SECRET}==",
        f"Cookie: session={SECRET}; theme=dark {SECRET}",
        f"set-cookie: a={SECRET}; Path=/; {SECRET}",
        f"[(b'authorization', b'Bearer {SECRET}')]",
        f"('cookie', 'a={SECRET}')",
        f"curl -H bearer {SECRET}",
        f"postgresql://booking:{SECRET}@db:5432/booking",
        f"nats://{SECRET}:{SECRET}@bus:4222".replace(f"//{SECRET}", "//user"),
        f"title='{SECRET} meeting about \\'{SECRET}\\''",
        repr(Reservation(1, f"{SECRET} meeting")),
        f'DETAIL:  Key (title)=({SECRET} x) already exists.',
        f"DETAIL:  Failing row contains (1, {SECRET}, 2026-01-01).",
        f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----",
        f"-----BEGIN EC PRIVATE KEY-----\n{SECRET}",
        f"AGE-SECRET-KEY-1{SECRET}",
    ],
)  # fmt: skip
def test_secrets_in_text(text) -> None:
    assert SECRET not in redact_text(text)
    assert REDACTED in redact_text(text)


@pytest.mark.parametrize("value", [JWT, JWT.rpartition(".")[0] + ".", NKEY_SEED])
def test_values_that_give_themselves_away(value) -> None:
    cleaned = redact_text(f"got {value} from a client")
    assert value[8:30] not in cleaned
    assert cleaned.startswith("got ")
    assert cleaned.endswith("from a client")


def test_what_pydantic_says_about_rejected_input() -> None:
    class Body(BaseModel):
        password: str = Field(min_length=30)

    with pytest.raises(ValidationError) as caught:
        Body.model_validate({"password": SECRET})
    assert SECRET in str(caught.value)
    assert SECRET not in redact_text(str(caught.value))
    assert "at least 30 characters" in redact_text(str(caught.value))


@pytest.mark.parametrize(
    "text",
    [
        "room created",
        "migrations are at nothing, this code needs 0001_pre_rooms.sql",
        "traceparent 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "http://127.0.0.1:8080/api/v1/rooms?date=2026-11-23",
        "the token has expired",
        "password rehashed",
        "",
    ],
)
def test_ordinary_text_is_left_alone(text) -> None:
    assert redact_text(text) == text


@pytest.mark.parametrize(
    "name", ["password", "new_password", "PASSWORD", "access_token", "Authorization", "setCookie", "api-key", "title",
             "reservation_title", "jwt_private_key", "client_secret", "nkey_seed"],
)  # fmt: skip
def test_forbidden_names(name) -> None:
    assert is_forbidden(name)
    assert redact_fields({name: SECRET}) == {name: REDACTED}


@pytest.mark.parametrize("name", ["room_id", "person_id", "event_id", "status", "key", "reason", "port"])
def test_permitted_names(name) -> None:
    assert redact_fields({name: 7}) == {name: 7}


def test_fields_are_searched_to_the_bottom_and_ready_for_json() -> None:
    class Odd:
        def __repr__(self) -> str:
            raise RuntimeError(SECRET)

    deep: dict[str, object] = {"password": SECRET}
    for _ in range(20):
        deep = {"inner": deep}
    fields = {
        "list": [{"token": SECRET}, f"secret={SECRET}"],
        "error": ValueError(f"password={SECRET}"),
        "secret_str": SecretStr(SECRET),
        "plain": SecretStr(SECRET),
        "reservation": Reservation(1, SECRET),
        "bytes": f"token={SECRET}".encode(),
        "deep": deep,
        "odd": Odd(),
        "numbers": (1, 2.5, None, True),
    }
    text = json.dumps(redact_fields(fields))
    assert SECRET not in text
    assert '"numbers": [1, 2.5, null, true]' in text


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyzABCXYZ0123456789!#%*+._~^-", min_size=6, max_size=40), st.data())
def test_any_value_behind_a_forbidden_name_is_removed(secret, data) -> None:
    secret = "Qz" + secret
    name = data.draw(st.sampled_from(["password", "token", "access_token", "title", "Client-Secret"]))
    form = data.draw(st.sampled_from(["{}={}", "{}: {}", "{}='{}'", '{{"{}": "{}"}}', "{}={!r}", "('{}', '{}')"]))
    assert secret not in redact_text("before " + form.format(name, secret) + " after")
    assert secret not in json.dumps(redact_value({name: [secret]}))


@pytest.mark.timeout(30)
def test_a_long_hostile_text_does_not_hold_the_process_up() -> None:
    """Five texts of up to 150,000 characters: a pattern that goes back over what it read is ended by the limit."""
    for hostile in (
        "title=" + "'" * 50_000,
        "a" * 100_000 + "token",
        "eyJ" * 30_000,
        "x://" * 20_000,
        "key (" * 20_000,
    ):
        redact_text(hostile + " token")
