"""The API's document, walked: complete enough to generate a client from, and true to its own schemas."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from yoyaku.booking import domain
from yoyaku.booking.entrypoints.http.app import make_api
from yoyaku.booking.entrypoints.http.openapi.refusals import STATUSES
from yoyaku.booking.entrypoints.http.problems import MEDIA_TYPE, TABLE
from yoyaku.booking.entrypoints.http.texts.catalogue import PROBLEM_TEXTS

SOURCES = Path(domain.__file__).parents[1]
DOCUMENT: dict[str, Any] = make_api().openapi()
OPERATIONS = [
    (f"{method.upper()} {path}", operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]


def each() -> Any:
    return pytest.mark.parametrize("operation", [pytest.param(found, id=name) for name, found in OPERATIONS])


def errors_of(value: Any, schema: dict[str, Any]) -> list[str]:
    whole = {"$ref": "#/wanted", "wanted": schema, "components": DOCUMENT["components"]}
    return [f"{list(error.path)}: {error.message}" for error in Draft202012Validator(whole).iter_errors(value)]


def example(code: str) -> Any:
    return DOCUMENT["components"]["examples"][code]["value"]


def answers_of(operation: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for status, response in operation["responses"].items():
        shared = response.get("$ref")
        yield status, DOCUMENT["components"]["responses"][shared.rpartition("/")[2]] if shared else response


def media_of(operation: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for kind, media in operation.get("requestBody", {}).get("content", {}).items():
        yield "request", kind, media
    for status, response in answers_of(operation):
        for kind, media in response.get("content", {}).items():
            yield status, kind, media


@pytest.mark.requirement("GW-01")
def test_it_is_openapi_3_1() -> None:
    assert DOCUMENT["openapi"].startswith("3.1")
    assert not list(OpenAPIV31SpecValidator(DOCUMENT).iter_errors())


@pytest.mark.requirement("GW-01")
def test_names_are_unique_and_tags_described() -> None:
    names = [operation["operationId"] for _, operation in OPERATIONS]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z][a-zA-Z]+", name) for name in names), names
    for tag in DOCUMENT["tags"]:
        assert len(tag["description"]) > len(tag["name"]), tag


@pytest.mark.requirement("GW-01")
@each()
def test_an_operation_says_what_it_is(operation: dict[str, Any]) -> None:
    assert operation["summary"]
    assert operation["tags"]
    assert operation.get("description")
    for parameter in operation.get("parameters", ()):
        assert parameter["schema"]
        assert parameter["in"] != "path" or "example" in parameter or "examples" in parameter["schema"]


@pytest.mark.requirement("GW-01", "GW-02")
@each()
def test_what_it_takes_and_gives_has_examples_that_its_schema_takes(operation: dict[str, Any]) -> None:
    for where, kind, media in media_of(operation):
        if not media.get("schema") or not kind.endswith("json"):
            continue
        examples = [media["example"]] if "example" in media else [example(code) for code in media["examples"]]
        assert examples, where
        for one in examples:
            assert errors_of(one, media["schema"]) == [], (where, one)


@pytest.mark.requirement("GW-02")
@each()
def test_refusals_are_problems_with_their_codes(operation: dict[str, Any]) -> None:
    if "Health" in operation["tags"]:
        return
    for status, response in answers_of(operation):
        if int(status) >= 400:
            (kind,) = response["content"]
            assert kind == MEDIA_TYPE
            for code, given in response["content"][kind]["examples"].items():
                assert given == {"$ref": f"#/components/examples/{code}"}
                assert STATUSES[code] == int(status) == example(code)["status"]
    wanted = {"429", "500", "503"} | ({"401", "403"} if "security" in operation else set())
    assert wanted | ({"400", "413", "415", "422"} if "requestBody" in operation else set()) <= set(
        operation["responses"]
    )


@pytest.mark.requirement("GW-03", "GW-04")
@each()
def test_headers_are_described(operation: dict[str, Any]) -> None:
    for status, response in answers_of(operation):
        assert "X-Trace-Id" in response["headers"]
        if status in {"429", "503"}:
            assert "Retry-After" in response["headers"]
        if status == "429":
            assert {"RateLimit", "RateLimit-Policy"} <= set(response["headers"])
        if status == "201":
            assert "Location" in response["headers"]


@pytest.mark.requirement("GW-02")
def test_every_code_has_its_status() -> None:
    assert {entry.code: entry.status for entry in TABLE.values()}.items() <= STATUSES.items()
    sources = [path.read_text() for path in SOURCES.rglob("*.py")]
    raised = {
        (code, int(status))
        for text in sources
        for status, code in re.findall(r'Problem\(\s*(\d+),\s*"([a-z-]+)"', text)
    }
    assert raised <= STATUSES.items()
    assert set(STATUSES) == set(PROBLEM_TEXTS)
