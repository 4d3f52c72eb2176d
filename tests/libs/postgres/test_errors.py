"""Every way a database fails has one name here."""

import asyncio

import asyncpg
import pytest

from yoyaku.postgres import (
    ConstraintViolatedError,
    DatabaseUnavailableError,
    LockTimeoutError,
    PostgresError,
    SerializationError,
    StatementTimeoutError,
    map_error,
    mapped_errors,
)


def server_error(sqlstate: str, **fields: str) -> asyncpg.PostgresError:
    message = {"C": sqlstate, "M": "what happened", "constraint_name": None, **fields}
    return asyncpg.PostgresError.new({"S": "ERROR", "V": "ERROR", **{k: v for k, v in message.items() if v}})


@pytest.mark.parametrize(
    ("sqlstate", "expected"),
    [
        ("08000", DatabaseUnavailableError),
        ("08006", DatabaseUnavailableError),
        ("53300", DatabaseUnavailableError),
        ("53100", DatabaseUnavailableError),
        ("57P01", DatabaseUnavailableError),
        ("57P02", DatabaseUnavailableError),
        ("57P03", DatabaseUnavailableError),
        ("25006", DatabaseUnavailableError),
        ("40001", SerializationError),
        ("40P01", SerializationError),
        ("55P03", LockTimeoutError),
        ("57014", StatementTimeoutError),
        ("25P03", StatementTimeoutError),
        ("23P01", ConstraintViolatedError),
        ("23505", ConstraintViolatedError),
    ],
)
def test_sqlstate_decides(sqlstate, expected) -> None:
    assert type(map_error(server_error(sqlstate))) is expected


@pytest.mark.parametrize("sqlstate", ["42601", "42P01", "42501", "22012", "28P01", "XX000"])
def test_our_own_mistakes_are_not_dressed_up(sqlstate) -> None:
    assert map_error(server_error(sqlstate)) is None


@pytest.mark.parametrize(
    "exc",
    [
        OSError("Multiple exceptions"),
        ConnectionRefusedError(111, "refused"),
        TimeoutError(),
        asyncio.IncompleteReadError(b"", 5),
        asyncpg.InterfaceError("connection is closed"),
        asyncpg.InterfaceError("pool is closing"),
        asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
        asyncpg.InternalClientError("unexpected end"),
    ],
)
def test_a_lost_connection_is_unavailability(exc) -> None:
    assert type(map_error(exc)) is DatabaseUnavailableError


def test_other_errors_pass_through() -> None:
    assert map_error(asyncpg.InterfaceError("cannot perform operation: another operation is in progress")) is None
    assert map_error(ValueError()) is None
    already = LockTimeoutError()
    assert map_error(already) is already
    with pytest.raises(LookupError), mapped_errors():
        raise LookupError
    for own in (FileNotFoundError("a file of ours"), TimeoutError("a deadline of ours")):
        with pytest.raises(type(own)), mapped_errors():
            raise own


def test_the_driver_error_stays_as_the_cause() -> None:
    driver = server_error("23505")
    with pytest.raises(PostgresError) as caught, mapped_errors():
        raise driver
    assert caught.value.__cause__ is driver


async def test_constraint_names_come_from_the_server_and_rows_stay_out_of_the_text(cluster) -> None:
    owner = await cluster.connect("alpha_owner")
    await owner.execute("""CREATE TABLE rooms (id int CONSTRAINT rooms_pk PRIMARY KEY,
        title text CONSTRAINT rooms_title_short CHECK (length(title) < 10))""")
    await owner.execute("INSERT INTO rooms VALUES (1)")
    for statement, name, state in (
        ("INSERT INTO rooms VALUES (1)", "rooms_pk", "23505"),
        ("INSERT INTO rooms VALUES (2, 'a secret title')", "rooms_title_short", "23514"),
    ):
        with pytest.raises(ConstraintViolatedError) as caught, mapped_errors():
            await owner.execute(statement)
        error = caught.value
        assert (error.constraint_name, error.sqlstate, error.table_name) == (name, state, "rooms")
        assert "secret" not in str(error)
    await owner.close()
