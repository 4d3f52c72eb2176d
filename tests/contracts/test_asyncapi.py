"""The document of the bus is whole: every reference leads somewhere, every event and question is in it."""

from collections.abc import Iterator
from typing import Any

import pytest
from faststream.specification.asyncapi.v3_0_0.schema import ApplicationSchema
from jsonschema import Draft202012Validator

from yoyaku.contracts.asyncapi import SCHEMA_FOLDER, asyncapi_document, event_headers_schema
from yoyaku.contracts.blocks import BlockValue
from yoyaku.contracts.envelope import OPTIONAL_HEADERS, REQUIRED_HEADERS
from yoyaku.contracts.generate import WORKSPACE, Places
from yoyaku.contracts.registry import EVENTS
from yoyaku.contracts.rpc import RPCS

pytestmark = pytest.mark.requirement("EV-06")


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for item in node:
            yield from references(item)


def test_every_reference_leads_somewhere() -> None:
    document = asyncapi_document()
    found = set(references(document))
    for reference in found:
        if reference.startswith(SCHEMA_FOLDER):
            assert (Places(WORKSPACE).asyncapi.parent / reference).is_file(), reference
            continue
        node: Any = document
        for part in reference.removeprefix("#/").split("/"):
            assert part in node, reference
            node = node[part]
    assert len([one for one in found if one.startswith(SCHEMA_FOLDER)]) == len(EVENTS)


def test_every_event_has_channel_stream_message_and_operation() -> None:
    document = asyncapi_document()
    for event_type in EVENTS:
        channel = document["channels"][event_type]
        assert channel["address"] == event_type
        assert channel["x-jetstream-stream"] == event_type.partition(".")[0].upper()
        assert document["operations"][f"publish.{event_type}"]["action"] == "send"
        message = document["components"]["messages"][event_type]
        assert message["headers"] == {"$ref": "#/components/schemas/EventHeaders"}


def test_every_question_has_a_reply_and_an_error() -> None:
    document = asyncapi_document()
    for subject in RPCS:
        operation = document["operations"][f"answer.{subject}"]
        assert operation["action"] == "receive"
        assert set(document["channels"][f"{subject}.reply"]["messages"]) == {"reply", "error"}


def test_the_headers_described_are_those_written() -> None:
    schema = event_headers_schema()
    assert set(schema["required"]) == set(REQUIRED_HEADERS)
    assert {name for name in schema["properties"] if name.startswith("ce-")} == {*REQUIRED_HEADERS, *OPTIONAL_HEADERS}


def test_schemas_are_schemas_and_the_document_is_asyncapi() -> None:
    document = asyncapi_document()
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    assert "kind" in document["components"]["schemas"][BlockValue.__name__]["properties"]
    assert ApplicationSchema.model_validate(document).info.title == "Yoyaku bus"
