"""How an endpoint is declared: methods, the scope that a token needs, shapes for the schema."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from apps.api.idempotency import answer_once
from apps.api.shapes import ProblemShape

Handler = Callable[..., Response]
PROBLEMS = {status: OpenApiResponse(ProblemShape) for status in (401, 403, 404, 409, 422)}


def endpoint(
    method: str,
    *,
    scope: str = "read",
    request: Any = None,
    response: Any = None,
    status: int = 200,
    summary: str,
    parameters: list[Any] | None = None,
) -> Callable[[Handler], Handler]:
    """Declare the function as the handler of one method of one URL; :func:`route` joins several."""

    def declare(handler: Handler) -> Handler:
        handler.http_method = method  # type: ignore[attr-defined]
        handler.scope = scope  # type: ignore[attr-defined]
        handler.schema = extend_schema(  # type: ignore[attr-defined]
            methods=[method],
            request=request,
            responses={status: response, **PROBLEMS},
            summary=summary,
            description=handler.__doc__ or summary,
            parameters=parameters or [],
            operation_id=handler.__name__,
        )
        return handler

    return declare


def route(*handlers: Handler) -> Any:
    """One DRF view that serves the given handlers, each for its own method."""
    by_method: dict[str, Handler] = {handler.http_method: handler for handler in handlers}  # type: ignore[attr-defined]

    def view(request: Request, **kwargs: Any) -> Response:
        handler = by_method[str(request.method)]
        if request.method == "GET":
            return _with_etag(request, handler(request, **kwargs))
        if request.method == "POST":
            return answer_once(request, lambda: handler(request, **kwargs))
        return handler(request, **kwargs)

    view.__name__ = handlers[0].__name__
    view.__doc__ = handlers[0].__doc__
    decorated = api_view(list(by_method))(view)
    # A HEAD or OPTIONS call never writes, so it needs no more than reading does.
    scopes = {handler.scope for handler in handlers if handler.http_method != "GET"}  # type: ignore[attr-defined]
    decorated.cls.required_scope = scopes.pop() if len(scopes) == 1 else "manage" if scopes else "read"  # type: ignore[attr-defined]
    for handler in handlers:
        decorated = handler.schema(decorated)  # type: ignore[attr-defined]
    return decorated


def _with_etag(request: Request, response: Response) -> Response:
    if response.status_code != 200 or response.streaming or not hasattr(response, "data"):
        return response
    from rest_framework.renderers import JSONRenderer

    tag = f'"{hashlib.sha256(JSONRenderer().render(response.data)).hexdigest()[:32]}"'
    if request.headers.get("If-None-Match") == tag:
        response = Response(status=304)
    response["ETag"] = tag
    response["Cache-Control"] = "private, no-cache"
    return response


def read(shape: type[Serializer[Any]], request: Request) -> dict[str, Any]:
    """The validated body; DRF's ValidationError (422) otherwise. Unknown fields are refused by name."""
    serializer = shape(data=request.data)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)
