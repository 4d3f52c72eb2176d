"""The JSON Schema of every event's body, derived from its model.

A schema says what a consumer may rely on. Unknown fields are allowed in it, since consumers ignore them: that is
what makes a new optional field no breaking change.

Source: JSON Schema 2020-12.
"""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from yoyaku.contracts.envelope import Event
from yoyaku.contracts.registry import EVENTS, dataschema

DIALECT: Final = GenerateJsonSchema.schema_dialect

Schema = dict[str, Any]


def schema_of(model: type[BaseModel]) -> Schema:
    """Derive the schema of what a model accepts, without the refusal of unknown fields and without titles."""
    return _relaxed(model.model_json_schema(mode="validation"))


def event_schema(model: type[Event]) -> Schema:
    """Derive the whole schema document of an event's body, named by `$schema` and `$id`."""
    return {"$schema": DIALECT, "$id": dataschema(model.TYPE), **schema_of(model)}


def event_schemas(events: Mapping[str, type[Event]] = EVENTS) -> dict[str, Schema]:
    """Derive the schema document of every event, by type."""
    return {event_type: event_schema(model) for event_type, model in events.items()}


def _relaxed(schema: Schema) -> Schema:
    kept = {name: value for name, value in schema.items() if name != "title" and (name, value) != _REFUSAL}
    for container in ("properties", "$defs"):
        if container in kept:
            kept[container] = {name: _relaxed(part) for name, part in kept[container].items()}
    if isinstance(kept.get("items"), dict):
        kept["items"] = _relaxed(kept["items"])
    if "anyOf" in kept:
        kept["anyOf"] = [_relaxed(part) for part in kept["anyOf"]]
    return kept


_REFUSAL: Final = ("additionalProperties", False)
