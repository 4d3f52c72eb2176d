"""How routes describe themselves in the OpenAPI document: bodies, problems, security."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel

from yoyaku.booking.entrypoints.http.problems import MEDIA_TYPE
from yoyaku.booking.entrypoints.http.schemas.problem import ProblemOutput

BEARER: Final = "bearer"
REF_TEMPLATE: Final = "#/components/schemas/{model}"

_PROBLEMS: Final[Mapping[int, str]] = {
    400: "The body is incomplete or no JSON, or the Host header is missing.",
    401: "A valid access token is needed.",
    403: "The role does not allow it, or the address is blocked.",
    404: "There is no such thing.",
    408: "The body took too long to arrive.",
    409: "It contradicts what is there.",
    412: "The change was built on another version; `ETag` names the one there is.",
    413: "The body is larger than 64 KiB.",
    414: "The address is too long.",
    415: "The body is not application/json.",
    421: "The Host header names another server.",
    422: "Fields are not valid; each is named.",
    428: "`If-Match` is needed.",
    429: "Too many requests; Retry-After says when to ask again.",
    431: "The headers are too large.",
    500: "Something went wrong; the log knows it by the trace id.",
    502: "A service refused.",
    503: "Something needed does not answer; try again.",
}
_ANYWHERE: Final = (400, 403, 414, 421, 429, 431, 500, 503)
_WITH_BODY: Final = (408, 413, 415, 422)

NOT_MODIFIED: Final[dict[int | str, dict[str, Any]]] = {304: {"description": "What `If-None-Match` names is still so."}}

bodies: dict[str, type[BaseModel]] = {}
"""Every model that is a request body, by name: the document needs their schemas among its components."""

queried: dict[str, dict[str, Any]] = {}
"""The schemas that query parameters refer to, by name."""


def problems(*statuses: int, body: bool = False) -> dict[int | str, dict[str, Any]]:
    """Describe the refusals of a route: the given ones, those of a body, and those that may happen anywhere."""
    every = sorted({*statuses, *_ANYWHERE, *(_WITH_BODY if body else ())})
    return {
        status: {
            "description": _PROBLEMS[status],
            "content": {MEDIA_TYPE: {"schema": {"$ref": REF_TEMPLATE.format(model=ProblemOutput.__name__)}}},
        }
        for status in every
    }


def takes(
    model: type[BaseModel], *, signed_in: bool = True, parameters: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    """Describe the body of a route, read by `bodies.read_body`, and its security."""
    bodies[model.__name__] = model
    described: dict[str, Any] = {
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": REF_TEMPLATE.format(model=model.__name__)}}},
        },
    }
    if parameters:
        described["parameters"] = parameters
    return described | (secured() if signed_in else {})


def secured() -> dict[str, Any]:
    """Say that a route needs an access token."""
    return {"security": [{BEARER: []}]}


def asks(model: type[BaseModel]) -> list[dict[str, Any]]:
    """Describe the query parameters of a route, read by `queries.asked`, as the framework would describe them."""
    described = model.model_json_schema(ref_template=REF_TEMPLATE)
    queried.update(described.get("$defs", {}))
    required = described.get("required", ())
    return [_parameter(name, schema, required=name in required) for name, schema in described["properties"].items()]


def _parameter(name: str, schema: Mapping[str, Any], *, required: bool) -> dict[str, Any]:
    shown = {key: value for key, value in schema.items() if key != "default" or value is not None}
    parameter = {"name": name, "in": "query", "required": required, "schema": shown}
    return parameter | ({"description": schema["description"]} if "description" in schema else {})
