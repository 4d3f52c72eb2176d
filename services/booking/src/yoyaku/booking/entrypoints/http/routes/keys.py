"""The public halves of the signing keys, for whoever wants to check a token without asking (ID-08)."""

from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from yoyaku.booking.entrypoints.http.openapi.contract import NOT_MODIFIED, problems
from yoyaku.booking.entrypoints.http.preconditions import IF_NONE_MATCH_PARAMETER, is_known
from yoyaku.booking.entrypoints.http.principal import gateway_of

router = APIRouter(tags=["Signing in"])

MAX_AGE_SECONDS: Final = 60
"""Shorter than a new key is published before it signs, so that a kept list is never too old."""
_MEDIA_TYPE: Final = "application/jwk-set+json"
_MEMBERS: Final = {
    "kty": "OKP",
    "crv": "Ed25519",
    "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
    "alg": "EdDSA",
    "use": "sig",
}
"""Source: RFC 8037, appendix A."""
_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["keys"],
    "properties": {
        "keys": {
            "type": "array",
            "items": {
                "type": "object",
                "required": sorted(_MEMBERS),
                "properties": {name: {"type": "string"} for name in sorted(_MEMBERS)},
            },
        }
    },
}


@router.get(
    "/.well-known/jwks.json",
    operation_id="listSigningKeys",
    summary="Public keys that access tokens can be checked with",
    responses={
        200: {
            "description": "The keys; fetch them again when a token names another.",
            "content": {_MEDIA_TYPE: {"schema": _SCHEMA, "example": {"keys": [_MEMBERS]}}},
        },
        **NOT_MODIFIED,
        **problems(),
    },
    openapi_extra={"parameters": [IF_NONE_MATCH_PARAMETER]},
)
async def signing_keys(request: Request) -> Response:
    """Return the keys as a JWK set (RFC 7517), those that will sign soon among them."""
    published = gateway_of(request).keys.published()
    headers = {"Cache-Control": f"public, max-age={MAX_AGE_SECONDS}", "ETag": published.etag}
    if is_known(request, published.etag):
        return Response(status_code=304, headers=headers)
    return Response(published.body, media_type=_MEDIA_TYPE, headers=headers)
