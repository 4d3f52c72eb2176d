"""Loguru records as OTLP log records. The SDK's log signal is not stable API yet; this module alone knows it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider

if TYPE_CHECKING:
    from loguru import Message

_SEVERITIES: Final = {
    "TRACE": SeverityNumber.TRACE,
    "DEBUG": SeverityNumber.DEBUG,
    "INFO": SeverityNumber.INFO,
    "SUCCESS": SeverityNumber.INFO2,
    "WARNING": SeverityNumber.WARN,
    "ERROR": SeverityNumber.ERROR,
    "CRITICAL": SeverityNumber.FATAL,
}


def otlp_sink(provider: LoggerProvider) -> "Callable[[Message], None]":
    """Return a sink that emits each record in the context of the current span."""
    emitter = provider.get_logger("yoyaku")

    def emit(message: "Message") -> None:
        record = message.record
        emitter.emit(
            LogRecord(
                timestamp=int(record["time"].timestamp() * 1_000_000_000),
                context=context.get_current(),
                severity_text=record["level"].name,
                severity_number=_SEVERITIES.get(record["level"].name, SeverityNumber.UNSPECIFIED),
                body=record["message"],
                attributes=_attributes(record),
            )
        )

    return emit


def _attributes(record: Any) -> dict[str, Any]:
    attributes = {name: value for name, value in record["extra"].items() if value is not None}
    attributes["logger"] = record["name"] or ""
    attributes["code.function.name"] = record["function"]
    attributes["code.line.number"] = record["line"]
    text = record.get("exception_text")
    if text is not None:
        attributes["exception.type"] = record["exception"].type.__name__
        attributes["exception.stacktrace"] = text
    return attributes
