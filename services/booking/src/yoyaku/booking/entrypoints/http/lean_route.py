"""A route whose function takes the request and nothing else is called without the framework's dependency machinery."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response


class LeanRoute(APIRoute):
    """Calls such a function directly; any other as ever. It must return a Response, as all of ours do."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request."""
        needs = self.dependant
        declared = (
            needs.path_params, needs.query_params, needs.header_params, needs.cookie_params, needs.body_params,
            needs.dependencies,
        )  # fmt: skip
        if any(declared) or needs.request_param_name is None or needs.response_param_name is not None:
            return super().get_route_handler()
        endpoint: Callable[[Request], Coroutine[Any, Any, Response]] = self.endpoint
        return endpoint
