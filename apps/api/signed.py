"""Calls that carry no token but a signature over their body: notices of Git hosts, reports of outside systems."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.decorators import api_view, authentication_classes, parser_classes, permission_classes
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from apps.api.bodies import RawParser
from apps.api.shapes import ProblemShape
from apps.core.text import visible

REFUSALS = {400: "The request is malformed.", 411: "The length of the body is missing.", 413: "More than 1 MB."}


def signed_call(
    name: str, *, summary: str, description: str, request: Any, response: Any, refusals: Mapping[int, str], tag: str
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare the function as a POST for anybody, with the raw body; it proves the signature itself and answers 202.

    A name in the address that no database keeps is shown to it as one that nothing has: so the answer is the same.
    """
    problems = {
        (status, "application/problem+json"): OpenApiResponse(ProblemShape, description=why)
        for status, why in sorted({**REFUSALS, **refusals}.items())
    }
    schema = extend_schema(
        operation_id=name,
        summary=summary,
        description=description,
        request={"application/json": request},
        responses={202: response, **problems},
        tags=[tag],
        auth=[],
    )

    def declare(view: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(view)
        def asked(request: Request, /, **named: Any) -> Response:
            texts = {key: visible(value) if isinstance(value, str) else value for key, value in named.items()}
            answer: Response = view(request, **texts)
            return answer

        open_to_all = permission_classes([AllowAny])(parser_classes([RawParser])(asked))
        declared: Callable[..., Any] = schema(api_view(["POST"])(authentication_classes([])(open_to_all)))
        return declared

    return declare
