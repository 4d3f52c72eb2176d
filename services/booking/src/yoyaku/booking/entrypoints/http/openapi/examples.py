"""Examples for the API's document, made from its schemas.

Invariant: an example satisfies its schema (a test validates each). What a schema does not say comes from `_KNOWN`, by
the name of the field, so that examples of different routes tell of the same people and rooms.
"""

from collections.abc import Mapping
from typing import Any, Final

_UUID: Final = "0199b2c4-7a31-7c58-9d1e-5f0a4b6c8d21"
_KNOWN: Final[Mapping[str, Any]] = {
    "access_token": "eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCJ9.e30.c2lnbmF0dXJl",
    "refresh_token": "wQ8mZbY2u0sC5hK1nT7rVd3fXg6jLpEa9iOq4kUtHyM",
    "capacity": 8,
    "comment": "The customer moved the meeting.",
    "display_name": "山田 花子",
    "expires_in": 900,
    "refresh_expires_in": 2592000,
    "features": ["projector"],
    "limit": 50,
    "name": "Fuji",
    "reason": "other",
    "site": "Tokyo",
    "status": "confirmed",
    "time_zone": "Asia/Tokyo",
    "title": "Weekly review",
    "token_type": "Bearer",
    "user_id": "hanako",
    "version": 1,
}
_FORMATS: Final[Mapping[str, str]] = {
    "uuid": _UUID,
    "date-time": "2026-04-01T00:00:00Z",
    "date": "2026-04-01",
    "uri": "https://rooms.example.org/",
}
_DEPTH_LIMIT: Final = 12


def example_of(schema: Mapping[str, Any], schemas: Mapping[str, Any], name: str = "", depth: int = 0) -> Any:
    """Return a value that the schema takes; `schemas` are those that it may refer to."""
    if "$ref" in schema:
        return example_of(schemas[schema["$ref"].rpartition("/")[2]], schemas, name, depth + 1)
    for given in (schema.get("examples"), schema.get("enum")):
        if given:
            return given[0]
    for key in ("example", "const"):
        if key in schema:
            return schema[key]
    kind = _kind(schema)
    if name in _KNOWN and _fits(_KNOWN[name], kind):
        return _KNOWN[name]
    choices = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf")
    if choices:
        chosen = next((choice for choice in choices if choice.get("type") != "null"), choices[0])
        return example_of(chosen, schemas, name, depth + 1)
    return _made(schema, kind, schemas, depth)


def _kind(schema: Mapping[str, Any]) -> str | None:
    kind = schema.get("type")
    if isinstance(kind, list):
        return next((one for one in kind if one != "null"), "null")
    return kind


def _fits(value: Any, kind: str | None) -> bool:
    kinds = {"string": str, "integer": int, "array": list}
    return kind is not None and isinstance(value, kinds.get(kind, ()))


def _made(schema: Mapping[str, Any], kind: str | None, schemas: Mapping[str, Any], depth: int) -> Any:
    match kind:
        case "object":
            return _object(schema, schemas, depth)
        case "array":
            items = schema.get("items")
            one = [example_of(items, schemas, "", depth + 1)] if items and depth < _DEPTH_LIMIT else []
            return one * max(1, schema.get("minItems", 1))
        case "integer" | "number":
            return schema.get("default") or max(1, schema.get("minimum", 1))
        case "boolean":
            return schema.get("default", True)
        case "string":
            text: str = schema.get("default") or _FORMATS.get(schema.get("format", ""), "text")
            return text.ljust(schema.get("minLength", 0), "x")
        case _:
            return schema.get("default")


def _object(schema: Mapping[str, Any], schemas: Mapping[str, Any], depth: int) -> dict[str, Any]:
    properties = schema.get("properties", {})
    required = schema.get("required", ())
    wanted = [name for name in properties if name in required or depth < 2]
    return {name: example_of(properties[name], schemas, name, depth + 1) for name in wanted}
