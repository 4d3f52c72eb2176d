"""Reads the settings of a process from the environment, and says which variable is missing or wrong.

Invariant: what is told names variables and what they should be, never what is in them: that may be a secret.
"""

import sys
from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsError

EXIT_NOT_CONFIGURED: Final = 2
_MISSING: Final = "missing"

SettingsT = TypeVar("SettingsT", bound=BaseSettings)


class NotConfiguredError(Exception):
    """Variables are missing or wrong; `problems` has a line for each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


def load(kind: type[SettingsT]) -> SettingsT:
    """Return the settings as the environment has them; else a line a variable on standard error, and SystemExit(2)."""
    try:
        return read(kind)
    except NotConfiguredError as error:
        for problem in error.problems:
            sys.stderr.write(f"error: {problem}\n")
        raise SystemExit(EXIT_NOT_CONFIGURED) from None


def read(kind: type[SettingsT]) -> SettingsT:
    """Return the settings as the environment has them. Raises NotConfiguredError."""
    try:
        return kind()
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False, include_input=False)
        raise NotConfiguredError([line for one in details for line in _lines(kind, one)]) from None
    except SettingsError as error:
        raise NotConfiguredError([f"{_prefix(kind)}...: {error}"]) from None


def _lines(kind: type[BaseSettings], detail: ErrorDetails) -> Iterator[str]:
    place = [str(part) for part in detail["loc"]]
    if detail["type"] != _MISSING:
        yield f"{_variable(kind, place)}: {detail['msg'].removeprefix('Value error, ')}"
        return
    for path in _required(_model_at(kind, place), place):
        yield f"{_variable(kind, path)}: {_MISSING}"


def _required(model: type[BaseModel] | None, place: list[str]) -> Iterator[list[str]]:
    """Name what has to be set below a part that is missing as a whole."""
    if model is None:
        yield place
        return
    for name, field in model.model_fields.items():
        if field.is_required():
            yield from _required(_model_of(field.annotation), [*place, name])


def _model_at(kind: type[BaseModel], place: Sequence[str]) -> type[BaseModel] | None:
    model: type[BaseModel] | None = kind
    for name in place:
        field = model.model_fields.get(name) if model is not None else None
        model = _model_of(field.annotation) if field is not None else None
    return model


def _model_of(annotation: Any) -> type[BaseModel] | None:
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _variable(kind: type[BaseSettings], place: Sequence[str]) -> str:
    delimiter = str(kind.model_config.get("env_nested_delimiter") or "__")
    return f"{_prefix(kind)}{delimiter.join(place).upper() or '...'}"


def _prefix(kind: type[BaseSettings]) -> str:
    return str(kind.model_config.get("env_prefix") or "")
