"""How an endpoint is declared: method, the scope that a token needs, shapes; and what all endpoints share."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, cast

from django.http import HttpResponse, HttpResponseBase
from django.http.request import HttpRequest
from django.utils.cache import get_conditional_response
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.api.bodies import AlwaysAnswers, AnswerRenderer, StrictJSONParser, read, require_length
from apps.api.idempotency import MAX_KEY, answer_once
from apps.api.shapes import EmptyIn, ProblemShape
from apps.core.errors import InvalidInput, NotVisible
from apps.core.text import MAX_SHOWN, is_storable, require_storable

Handler = Callable[..., Response]
PROBLEM = "application/problem+json"
REFUSALS = {
    400: "The body is no JSON.",
    401: "No token and no session, or the token is refused; the detail says why.",
    403: "Visible, but not allowed: a missing role or scope, or a contributor's approval.",
    404: "It does not exist, or you may not know that it does.",
    409: "Something moved: a stale revision, a lost race, something pending already.",
    411: "The length of the body is missing.",
    413: "The body is too large.",
    415: "The body is not application/json.",
    422: "The request has a mistake; fields names it.",
    503: "Something outside (a Git host) does not answer.",
}
NO_CONTENT = 204
CONFLICT = 409
ONLY_WITH_BODY = {400, CONFLICT, 411, 413, 415}
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "maxLength": MAX_KEY, "pattern": r"^[A-Za-z0-9._:-]+$"},
    OpenApiParameter.HEADER,
    description="Any text of yours, new for each intended effect; repeating the call with it has no second effect.",
)
ANY_FORM = "format"
"""As ``Accept``: whatever it says, the answer comes."""
IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match", str, OpenApiParameter.HEADER, description="The ETag of an earlier answer: 304 if it still holds."
)


def query(name: str, description: str, kind: Any = str) -> OpenApiParameter:
    """One query parameter, for the schema."""
    return OpenApiParameter(name, kind, OpenApiParameter.QUERY, description=description)


def endpoint(
    method: str,
    *,
    scope: str = "read",
    request: Any = None,
    response: Any = None,
    status: int = 200,
    summary: str,
    parameters: Sequence[OpenApiParameter] = (),
    withheld: Sequence[str] = (),
    whole: bool = False,
    can_conflict: bool = False,
    media: str = "application/json",
) -> Callable[[Handler], Handler]:
    """Declare the function as the handler of one method of one URL; :func:`route` joins several.

    ``withheld``: fields of the answer that are not kept for a repeated call, because they are secret.
    ``can_conflict``: also a GET is answered 409, where what it would tell of cannot be done at all.
    ``whole``: the handler works on the database alone, and its answer is kept in the transaction of its effect.
    """

    def declare(handler: Handler) -> Handler:
        handler.http_method = method  # type: ignore[attr-defined]
        handler.scope = scope  # type: ignore[attr-defined]
        handler.asked = frozenset(one.name for one in parameters)  # type: ignore[attr-defined]
        handler.takes_nothing = request in (None, EmptyIn)  # type: ignore[attr-defined]
        handler.withheld = tuple(withheld)  # type: ignore[attr-defined]
        handler.whole = whole  # type: ignore[attr-defined]
        handler.schema = extend_schema(  # type: ignore[attr-defined]
            request=None if request is EmptyIn else request,
            responses={
                **({status: None} if status == NO_CONTENT else {(status, media): response or OpenApiTypes.STR}),
                **_problems(method, can_conflict=can_conflict),
            },
            summary=summary,
            description=f"{handler.__doc__ or summary}\n\nA token needs the scope `{scope}`.",
            parameters=[*parameters, *_headers(method)],
            operation_id=handler.__name__,
            tags=[handler.__module__.rsplit(".", 1)[-1]],
        )
        return handler

    return declare


def _problems(method: str, *, can_conflict: bool) -> dict[Any, Any]:
    left_out = ONLY_WITH_BODY - ({CONFLICT} if can_conflict else set()) if method == "GET" else set()
    return {
        (status, PROBLEM): OpenApiResponse(ProblemShape, description=why)
        for status, why in REFUSALS.items()
        if status not in left_out
    }


def _headers(method: str) -> list[OpenApiParameter]:
    return {"POST": [IDEMPOTENCY_KEY], "GET": [IF_NONE_MATCH]}.get(method, [])


class Endpoint(APIView):
    """One URL of the API. Every text that comes in is checked here once, whatever the handler does with it."""

    parser_classes = [StrictJSONParser]
    renderer_classes = [AnswerRenderer]
    content_negotiation_class = AlwaysAnswers
    scopes: ClassVar[dict[str, str]] = {}
    """The scope that a token needs, by method; a method without one is answered 405."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        require_length(request)
        if not all(is_storable(value) for value in kwargs.values() if isinstance(value, str)):
            raise NotVisible("not_found", "There is nothing here that you can see.")
        for name, values in request.query_params.lists():
            require_storable([name, *values], field=name)

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer with an ETag, and with 304 when the caller has the same already."""
        response = super().dispatch(request, *args, **kwargs)
        if request.method not in {"GET", "HEAD"} or response.status_code != 200:
            return response
        if isinstance(response, Response):
            response.render()
        if isinstance(response, HttpResponse) and "ETag" not in response:
            response["ETag"] = f'"{hashlib.sha256(response.content).hexdigest()[:32]}"'
        response["Cache-Control"] = "private, no-cache"
        answer = cast("HttpResponse", response)  # of which only the headers are taken: it may be streamed
        return get_conditional_response(request, etag=response["ETag"], response=answer) or response


def route(*handlers: Handler) -> Any:
    """The view that serves the given handlers, each for its own method and with its own scope."""
    methods = {handler.http_method: handler for handler in handlers}  # type: ignore[attr-defined]
    members: dict[str, Any] = {method.lower(): _served(handler) for method, handler in methods.items()}
    members["scopes"] = {method: handler.scope for method, handler in methods.items()}  # type: ignore[attr-defined]
    members["__doc__"] = handlers[0].__doc__
    return type(handlers[0].__name__, (Endpoint,), members).as_view()  # type: ignore[attr-defined]


def _served(handler: Handler) -> Any:
    def serve(self: Endpoint, request: Request, **kwargs: Any) -> Response:
        if request.method in {
            "GET",
            "HEAD",
        }:  # what is sent here by others may have parameters of theirs in its address
            _require_known(request, handler.asked)  # type: ignore[attr-defined]

        def act() -> Response:
            if handler.takes_nothing and request.method not in {"GET", "HEAD"}:  # type: ignore[attr-defined]
                read(EmptyIn, request)
            return handler(request, **kwargs)

        if request.method == "POST":
            return answer_once(request, act, withheld=handler.withheld, whole=handler.whole)  # type: ignore[attr-defined]
        return act()

    serve.__doc__ = handler.__doc__
    return handler.schema(serve)  # type: ignore[attr-defined]


def _require_known(request: Request, known: frozenset[str]) -> None:
    """A filter that is misspelt, or given twice, would silently be another one: the answer would tell of more than was asked for."""
    for name, values in request.query_params.lists():
        shown = name[:MAX_SHOWN]
        if name not in {*known, ANY_FORM}:
            has = ", ".join(sorted(known)) or "none"
            raise InvalidInput(
                "unknown_parameter", f"There is no parameter {shown} here. Known parameters: {has}.", field=shown
            )
        if len(values) > 1:
            raise InvalidInput(
                "repeated_parameter", f"{shown} is given {len(values)} times; give it once.", field=shown
            )


__all__ = ["Endpoint", "endpoint", "query", "read", "route"]
