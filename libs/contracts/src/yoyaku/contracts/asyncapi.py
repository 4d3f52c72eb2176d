"""The AsyncAPI 3.0 document of the bus, built from the registry, the subjects and the request-reply models.

Invariant: nothing in it is written twice; a new event or question appears by being registered.

Source: AsyncAPI 3.0.0.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from yoyaku.contracts import envelope as headers
from yoyaku.contracts.blocks import KV_BLOCKS, BlockValue
from yoyaku.contracts.denials import KV_DENIED_TOKENS, DenialValue
from yoyaku.contracts.envelope import Event
from yoyaku.contracts.registry import EVENTS, OWNERS
from yoyaku.contracts.rpc import RPCS, Rpc, RpcError
from yoyaku.contracts.schemas import Schema, schema_of
from yoyaku.contracts.subjects import WAKE_OUTBOX_PREFIX, stream_of

SCHEMA_FORMAT: Final = "application/schema+json;version=draft-2020-12"
SCHEMA_FOLDER: Final = "../../libs/contracts/schemas/current"
VERSION: Final = "1.0.0"

_HEADER_TEXTS: Final[Mapping[str, tuple[str, str]]] = {
    headers.HEADER_SPEC_VERSION: ("Version of CloudEvents.", headers.SPEC_VERSION),
    headers.HEADER_ID: ("UUIDv7; the same on every delivery and redrive.", "01938f2a-7c44-7d31-9b0e-6f1d2c3b4a59"),
    headers.HEADER_SOURCE: ("The numbered log it came from: service and shard.", "/booking/07"),
    headers.HEADER_TYPE: ("The event's type, equal to its subject.", "booking.reservation.confirmed.v1"),
    headers.HEADER_TIME: ("When the fact happened: RFC 3339, UTC.", "2026-11-23T09:30:00.123456Z"),
    headers.HEADER_SUBJECT: ("What it is about.", "reservation/01938f2a-7c44-7d31-9b0e-6f1d2c3b4a50"),
    headers.HEADER_SEQUENCE: ("Its number in the source: gap-free, in commit order.", "1042"),
    headers.HEADER_ACTOR: ("Who did it.", "person/01938f2a-0000-7000-8000-000000000001"),
    headers.HEADER_CORRELATION_ID: ("The same for everything one request set off.", "4bf92f3577b34da6a3ce929d0e0e4736"),
    headers.HEADER_CAUSATION_ID: ("The event that led to this one.", "01938f2a-7c44-7d31-9b0e-6f1d2c3b4a58"),
    headers.HEADER_CLIENT_ADDRESS: ("The address of the client behind it.", "192.0.2.7"),
    headers.HEADER_DATASCHEMA: ("The $id of the body's schema.", "urn:yoyaku:event:booking.reservation.confirmed.v1"),
    headers.HEADER_DATACONTENTTYPE: ("What the body is.", headers.JSON_CONTENT_TYPE),
}


@dataclass(frozen=True, slots=True)
class _Parts:
    """The document while it grows."""

    channels: dict[str, Any] = field(default_factory=dict)
    operations: dict[str, Any] = field(default_factory=dict)
    messages: dict[str, Any] = field(default_factory=dict)
    schemas: dict[str, Any] = field(default_factory=dict)


def asyncapi_document(events: Mapping[str, type[Event]] = EVENTS, rpcs: Mapping[str, Rpc] = RPCS) -> dict[str, Any]:
    """Build the document: a channel and a message for each event and question, one schema for all events' headers."""
    parts = _Parts()
    parts.schemas["EventHeaders"] = event_headers_schema()
    for event_type, model in events.items():
        parts.channels[event_type] = _event_channel(event_type, model)
        parts.operations[f"publish.{event_type}"] = _publish(event_type, model)
        parts.messages[event_type] = _event_message(event_type, model)
    for subject, rpc in rpcs.items():
        _add_rpc(parts, subject, rpc)
    parts.messages["RpcError"] = _rpc_message(RpcError.__name__, "The question could not be answered.")
    parts.schemas["RpcError"] = _embedded(schema_of(RpcError))
    parts.schemas["BlockValue"] = _embedded(schema_of(BlockValue))
    parts.schemas["DenialValue"] = _embedded(schema_of(DenialValue))
    parts.channels[WAKE_OUTBOX_PREFIX] = _wake_channel()
    parts.messages["wake"] = {
        "summary": "New rows wait in the outbox; the body is empty.",
        "contentType": "text/plain",
        "payload": {"type": "string", "maxLength": 0},
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Yoyaku bus",
            "version": VERSION,
            "description": "Events are CloudEvents 1.0 in binary mode over NATS headers, published through an outbox "
            "to JetStream and delivered at least once. Written by python -m yoyaku.contracts.generate.",
        },
        "defaultContentType": headers.JSON_CONTENT_TYPE,
        "channels": parts.channels,
        "operations": parts.operations,
        "components": {"messages": parts.messages, "schemas": parts.schemas},
        "x-kv-buckets": {
            bucket: {"value": _reference("schemas", value), "key": "base64url of kind:value"}
            for bucket, value in ((KV_BLOCKS, "BlockValue"), (KV_DENIED_TOKENS, "DenialValue"))
        },
    }


def event_headers_schema() -> Schema:
    """Describe the headers of every event, as they stand in the message (percent-encoded)."""
    properties: dict[str, Any] = {
        name: {"type": "string", "description": text, "examples": [example]}
        for name, (text, example) in _HEADER_TEXTS.items()
    }
    properties[headers.HEADER_SPEC_VERSION]["const"] = headers.SPEC_VERSION
    properties[headers.HEADER_TIME]["format"] = "date-time"
    properties["traceparent"] = {"type": "string", "description": "W3C trace context of the publishing span."}
    properties["Nats-Msg-Id"] = {"type": "string", "description": "Equal to ce-id; fresh on a redrive."}
    return {"type": "object", "properties": properties, "required": list(headers.REQUIRED_HEADERS)}


def _reference(kind: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/components/{kind}/{name}"}


def _event_channel(event_type: str, model: type[Event]) -> dict[str, Any]:
    return {
        "address": event_type,
        "summary": _summary(model),
        "messages": {"event": _reference("messages", event_type)},
        "x-jetstream-stream": stream_of(event_type),
        "x-service": OWNERS[event_type.partition(".")[0]],
    }


def _publish(event_type: str, model: type[Event]) -> dict[str, Any]:
    return {
        "action": "send",
        "channel": {"$ref": f"#/channels/{event_type}"},
        "summary": _summary(model),
        "messages": [{"$ref": f"#/channels/{event_type}/messages/event"}],
    }


def _event_message(event_type: str, model: type[Event]) -> dict[str, Any]:
    return {
        "name": event_type,
        "title": model.__name__,
        "summary": _summary(model),
        "contentType": headers.JSON_CONTENT_TYPE,
        "headers": _reference("schemas", "EventHeaders"),
        "payload": {"schemaFormat": SCHEMA_FORMAT, "schema": {"$ref": f"{SCHEMA_FOLDER}/{event_type}.json"}},
        "correlationId": {"location": f"$message.header#/{headers.HEADER_CORRELATION_ID}"},
    }


def _add_rpc(parts: _Parts, subject: str, rpc: Rpc) -> None:
    for model in (rpc.request, rpc.reply):
        parts.messages[model.__name__] = _rpc_message(model.__name__, _summary(model))
        parts.schemas[model.__name__] = _embedded(schema_of(model))
    parts.channels[subject] = {
        "address": subject,
        "summary": rpc.summary,
        "messages": {"request": _reference("messages", rpc.request.__name__)},
        "x-service": rpc.service,
    }
    parts.channels[f"{subject}.reply"] = {
        "address": None,
        "summary": "The reply, at the inbox named in the request.",
        "messages": {
            "reply": _reference("messages", rpc.reply.__name__),
            "error": _reference("messages", RpcError.__name__),
        },
    }
    parts.operations[f"answer.{subject}"] = {
        "action": "receive",
        "channel": {"$ref": f"#/channels/{subject}"},
        "summary": rpc.summary,
        "messages": [{"$ref": f"#/channels/{subject}/messages/request"}],
        "reply": {
            "channel": {"$ref": f"#/channels/{subject}.reply"},
            "messages": [{"$ref": f"#/channels/{subject}.reply/messages/{kind}"} for kind in ("reply", "error")],
        },
    }


def _rpc_message(name: str, summary: str) -> dict[str, Any]:
    return {
        "name": name,
        "summary": summary,
        "payload": {"schemaFormat": SCHEMA_FORMAT, "schema": _reference("schemas", name)},
    }


def _wake_channel() -> dict[str, Any]:
    return {
        "address": f"{WAKE_OUTBOX_PREFIX}.{{service}}",
        "summary": "Wakes the outbox relays of a service after a commit; may be lost, the relays poll too.",
        "parameters": {"service": {"description": "The service's name.", "enum": sorted(set(OWNERS.values()))}},
        "messages": {"wake": _reference("messages", "wake")},
    }


def _summary(model: type[Any]) -> str:
    return (model.__doc__ or "").strip().partition("\n")[0]


def _embedded(schema: Schema) -> Schema:
    """Put the schema's own definitions in place of the references to them, so that it stands alone."""
    definitions = schema.get("$defs", {})

    def inlined(node: Any) -> Any:
        if isinstance(node, list):
            return [inlined(item) for item in node]
        if not isinstance(node, dict):
            return node
        reference = node.get("$ref")
        if reference is not None:
            beside = {name: value for name, value in node.items() if name != "$ref"}
            return {**inlined(definitions[reference.removeprefix("#/$defs/")]), **beside}
        return {name: inlined(value) for name, value in node.items() if name != "$defs"}

    embedded: Schema = inlined(schema)
    return embedded
