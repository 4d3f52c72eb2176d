"""Loguru as the one way to log: a redacted record, written as one JSON line to stderr and a file, and sent by OTLP.

Invariant: a record is redacted once, before any sink sees it (`_prepare`, loguru's patcher), so no sink can show what
the redaction removes. Sinks run in the logging thread and never raise: neither into it, nor to loguru, whose report
about a failing sink would quote the exception that was being logged.
"""

import contextlib
import json
import logging
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from loguru import logger
from opentelemetry import trace

from yoyaku.observability.complaints import ComplaintLimit
from yoyaku.observability.log_file import LogFile
from yoyaku.observability.redaction import redact_fields, redact_text

if TYPE_CHECKING:
    from loguru import Message, Record

_RESERVED: Final = frozenset(
    {"time", "level", "service", "logger", "message", "trace_id", "span_id", "function", "line", "exception"}
)

_ORIGIN: Final = "stdlib_origin"
"""Carries (logger, function, line) of an intercepted standard-library record through loguru."""

_EXPORTER_LOGGERS: Final = "opentelemetry"


@dataclass(frozen=True, slots=True)
class LogSinks:
    """Where the log goes besides stderr."""

    level: str
    file: LogFile | None = None
    otlp: "Callable[[Message], None] | None" = None


@contextlib.contextmanager
def logging_configured(service_name: str, sinks: LogSinks) -> Iterator[None]:
    """Send loguru and standard-library logging to the sinks; at the end only JSON on stderr stays."""
    logger.remove()
    logger.configure(patcher=lambda record: _prepare(service_name, record))
    _add(_write_stderr, sinks.level)
    added = []
    if sinks.file is not None:
        added.append(_add(sinks.file.write, sinks.level))
    if sinks.otlp is not None:
        added.append(_add(sinks.otlp, sinks.level, only=_not_about_exporting))
    with _stdlib_intercepted(sinks.level):
        try:
            yield
        finally:
            for handler_id in added:
                logger.remove(handler_id)
            if sinks.file is not None:
                sinks.file.close()


@contextlib.contextmanager
def uncaught_exceptions_logged() -> Iterator[None]:
    """Log what escapes the block as one redacted record, in place of Python's traceback with its raw text."""
    before = sys.excepthook
    logged: list[BaseException] = []

    def hook(kind: type[BaseException], exc: BaseException, trace_back: TracebackType | None) -> None:
        if not isinstance(exc, Exception):
            before(kind, exc, trace_back)
        elif not any(exc is seen for seen in logged):
            logger.opt(exception=exc).critical("process ended by an uncaught exception")

    sys.excepthook = hook
    try:
        yield
    except Exception as exc:
        logger.opt(exception=exc).critical("process ended by an uncaught exception")
        logged.append(exc)
        raise
    else:
        sys.excepthook = before


def _add(sink: "Callable[[Message], None]", level: str, only: "Callable[[Record], bool] | None" = None) -> int:
    guarded = _guarded(sink)
    return logger.add(
        guarded, level=level, format=_line_format, filter=only, backtrace=False, diagnose=False, catch=True
    )


def _guarded(sink: "Callable[[Message], None]") -> "Callable[[Message], None]":
    failing = False

    def write(message: "Message") -> None:
        nonlocal failing
        try:
            sink(message)
            failing = False
        except Exception as exc:  # noqa: BLE001 - logging must not fail what it describes
            if not failing:
                failing = True
                with contextlib.suppress(OSError, ValueError):
                    sys.stderr.write(
                        json.dumps({"level": "ERROR", "message": f"log sink: {type(exc).__name__}"}) + "\n"
                    )

    return write


def _line_format(_: "Record") -> str:
    return "{json}\n"


def _write_stderr(message: "Message") -> None:
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(message)
        sys.stderr.flush()


def _not_about_exporting(record: "Record") -> bool:
    # a log record about failing exports must not itself be exported
    return not (record["name"] or "").startswith(_EXPORTER_LOGGERS)


def _prepare(service_name: str, record: "Record") -> None:
    """Redact the record in place, move it to where it came from, and add the line the sinks write."""
    fields: dict[str, Any] = record["extra"]
    origin = fields.pop(_ORIGIN, None)
    if origin is not None:
        record["name"], record["function"], record["line"] = origin
    record["message"] = redact_text(record["message"])
    record["extra"] = redact_fields(fields)
    text = _redact_exception(record)
    record["json"] = _as_json(service_name, record, text)  # type: ignore[typeddict-unknown-key]


def _redact_exception(record: "Record") -> str | None:
    found = record["exception"]
    if found is None or found.value is None:
        return None
    raw = "".join(traceback.format_exception(found.type, found.value, found.traceback))
    text = redact_text(raw)
    if text != raw and found.type is not None:
        stand_in = type(found.type.__name__, (Exception,), {"__module__": found.type.__module__})(
            redact_text(str(found.value))
        )
        record["exception"] = found._replace(value=stand_in)
    record["exception_text"] = text  # type: ignore[typeddict-unknown-key]
    return text


def _as_json(service_name: str, record: "Record", exception: str | None) -> str:
    document: dict[str, Any] = {
        "time": record["time"].isoformat(timespec="microseconds"),
        "level": record["level"].name,
        "service": service_name,
        "logger": record["name"],
        "message": record["message"],
    }
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        document["trace_id"] = f"{span.trace_id:032x}"
        document["span_id"] = f"{span.span_id:016x}"
    for name, value in record["extra"].items():
        document[f"field_{name}" if name in _RESERVED else name] = value
    if record["level"].no >= logging.WARNING:
        document["function"] = record["function"]
        document["line"] = record["line"]
    if exception is not None:
        document["exception"] = exception
    return json.dumps(document, ensure_ascii=False, default=str)


class _InterceptHandler(logging.Handler):
    """Hands standard-library records to loguru; complaints of the exporters come through once a minute and kind."""

    def __init__(self) -> None:
        super().__init__()
        self._limit = ComplaintLimit()

    def emit(self, record: logging.LogRecord) -> None:
        fields: dict[str, Any] = {_ORIGIN: (record.name, record.funcName, record.lineno)}
        if record.name.startswith(_EXPORTER_LOGGERS):
            suppressed = self._limit.admit(record)
            if suppressed is None:
                return
            if suppressed:
                fields["suppressed"] = suppressed
        try:
            level: str | int = logger.level(record.levelname).name
        except ValueError:
            level = record.levelno
        logger.bind(**fields).opt(exception=record.exc_info, raw=False).log(level, "{}", record.getMessage())


@contextlib.contextmanager
def _stdlib_intercepted(level: str) -> Iterator[None]:
    root = logging.getLogger()
    handlers, previous_level = root.handlers[:], root.level
    root.handlers = [_InterceptHandler()]
    root.setLevel(logger.level(level).no)
    logging.captureWarnings(capture=True)
    try:
        yield
    finally:
        logging.captureWarnings(capture=False)
        root.handlers, root.level = handlers, previous_level
