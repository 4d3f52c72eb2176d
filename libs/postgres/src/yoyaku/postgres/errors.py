"""What can go wrong with PostgreSQL, told by SQLSTATE and constraint name, never by message text.

PostgresError
├── DatabaseUnavailableError      the server is away, starting, stopping, full or read-only: try later
├── ConstraintViolatedError       class 23: carries constraint_name and sqlstate
├── LockTimeoutError              55P03: somebody else holds the row or table
├── StatementTimeoutError         57014, 25P03, 25P04: the statement or transaction took too long
├── SerializationError            40001, 40P01: nothing happened, run the whole transaction again
├── PasswordFileError             the password file is missing or readable by others
├── PostgresStartTimeoutError     the database did not answer while the process started
└── MigrationError
    ├── MigrationFileError        a file of the migrations folder breaks the naming or include rules
    ├── MigrationFailedError      a statement failed: names file and line
    ├── EditedMigrationError      an applied file was changed afterwards: names it
    ├── PhaseOrderError           a pre file waits behind a post file, or the other way round
    └── MigrationsNotAtHeadError  the database lacks files this code needs

Source: PostgreSQL documentation, appendix A (error codes). asyncpg raises OSError and InterfaceError too when a
connection breaks.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import asyncpg


class PostgresError(Exception):
    """Root of everything this package raises."""


class DatabaseUnavailableError(PostgresError):
    """The database cannot be used just now; the same call may work later."""


class ConstraintViolatedError(PostgresError):
    """A constraint refused the change."""

    def __init__(self, constraint_name: str | None, sqlstate: str, table_name: str | None = None) -> None:
        super().__init__(f"constraint {constraint_name or 'without a name'} refused the change ({sqlstate})")
        self.constraint_name = constraint_name
        self.sqlstate = sqlstate
        self.table_name = table_name


class LockTimeoutError(PostgresError):
    """A lock was not granted within the lock timeout, or at once where NOWAIT was asked for."""


class StatementTimeoutError(PostgresError):
    """The statement or the transaction was ended by the server because it took too long."""


class SerializationError(PostgresError):
    """The transaction lost against a concurrent one (40001) or was the victim of a deadlock (40P01)."""

    def __init__(self, sqlstate: str) -> None:
        super().__init__(f"the transaction must be run again ({sqlstate})")
        self.sqlstate = sqlstate


class PasswordFileError(PostgresError):
    """The password file cannot be used."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"password file {path}: {problem}")
        self.path = path


class PostgresStartTimeoutError(DatabaseUnavailableError):
    """The database did not become available while the process was starting."""


class MigrationError(PostgresError):
    """Something is wrong with the migrations of a package."""


class MigrationFileError(MigrationError):
    """A migration file cannot be used as it is."""

    def __init__(self, file_name: str, problem: str) -> None:
        super().__init__(f"{file_name}: {problem}")
        self.file_name = file_name


class MigrationFailedError(MigrationError):
    """A statement of a migration failed; nothing of the run was kept. `line` counts in the expanded file, from one."""

    def __init__(self, file_name: str, line: int | None, problem: str) -> None:
        super().__init__(f"{file_name}{f', line {line}' if line else ''}: {problem}")
        self.file_name = file_name
        self.line = line


class EditedMigrationError(MigrationError):
    """An applied migration file (or SQL it includes) was edited or removed afterwards."""

    def __init__(self, file_name: str, problem: str) -> None:
        super().__init__(f"{file_name} {problem}; write a new migration instead")
        self.file_name = file_name


class PhaseOrderError(MigrationError):
    """A pending file of the asked phase stands behind a pending file of the other phase."""

    def __init__(self, file_name: str, blocked_by: str) -> None:
        super().__init__(f"{file_name} waits for {blocked_by}, which belongs to the other phase: run that phase first")
        self.file_name = file_name
        self.blocked_by = blocked_by


class MigrationsNotAtHeadError(MigrationError):
    """The database has not seen every migration that this code needs."""

    def __init__(self, current: str | None, head: str) -> None:
        super().__init__(f"migrations are at {current or 'nothing'}, this code needs {head}")
        self.current = current
        self.head = head


_UNAVAILABLE_CLASSES = ("08", "53")
"""08 connection exception, 53 insufficient resources (too many connections, disk full, out of memory)."""

_UNAVAILABLE_STATES = frozenset({"57P01", "57P02", "57P03", "57P05", "25006"})
"""Shutdown, crash, starting up, idle session ended, and read-only (a failover in progress)."""

_TIMEOUT_STATES = frozenset({"57014", "25P03", "25P04"})


def map_error(exc: BaseException) -> PostgresError | None:
    """Return the error of this package that says what happened, or None for what this package does not name.

    `OSError` and `TimeoutError` count as unavailability only when the driver raised them (or nobody did yet),
    so a caller's own file or deadline errors pass through unchanged.
    """
    match exc:
        case PostgresError():
            return exc
        case asyncpg.PostgresError():
            return _map_sqlstate(exc)
        case asyncpg.InterfaceError():
            return DatabaseUnavailableError(_first_line(exc)) if _is_closed(exc) else None
        case asyncpg.InternalClientError():
            return DatabaseUnavailableError("the connection broke in the middle of the protocol")
        case OSError() | EOFError():  # TimeoutError is an OSError
            return DatabaseUnavailableError(_io_text(exc)) if _from_driver(exc) else None
        case _:
            return None


@contextmanager
def mapped_errors() -> Iterator[None]:
    """Raise what `map_error` says in place of driver errors; everything else passes through."""
    try:
        yield
    except Exception as exc:
        mapped = map_error(exc)
        if mapped is None or mapped is exc:
            raise
        raise mapped from exc


def _map_sqlstate(exc: asyncpg.PostgresError) -> PostgresError | None:
    state = str(getattr(exc, "sqlstate", "") or "")
    if state.startswith("23"):
        return ConstraintViolatedError(getattr(exc, "constraint_name", None), state, getattr(exc, "table_name", None))
    if state in {"40001", "40P01"}:
        return SerializationError(state)
    if state == "55P03":
        return LockTimeoutError(_first_line(exc))
    if state in _TIMEOUT_STATES:
        return StatementTimeoutError(_first_line(exc))
    if state.startswith(_UNAVAILABLE_CLASSES) or state in _UNAVAILABLE_STATES:
        return DatabaseUnavailableError(f"{_first_line(exc)} ({state})")
    return None


def _is_closed(exc: asyncpg.InterfaceError) -> bool:
    # asyncpg gives these no class or code of their own.
    text = str(exc)
    return "closed" in text or "closing" in text


def _from_driver(exc: BaseException) -> bool:
    trace: TracebackType | None = exc.__traceback__
    if trace is None:
        return True
    while trace is not None:
        if str(trace.tb_frame.f_globals.get("__name__", "")).partition(".")[0] == "asyncpg":
            return True
        trace = trace.tb_next
    return False


def _io_text(exc: BaseException) -> str:
    if isinstance(exc, TimeoutError):
        return "no connection or no answer in time"
    return f"{type(exc).__name__}: {_first_line(exc)}"


def _first_line(exc: BaseException) -> str:
    """The detail and hint lines that follow may quote row values."""
    return (str(exc).splitlines() or [type(exc).__name__])[0]
