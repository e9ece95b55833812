"""The published description of the API: OpenAPI 3.1 at ``/api/v1/schema/``."""

from __future__ import annotations

from functools import cache
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.api.bodies import AlwaysAnswers


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "apps.api.authentication.BearerTokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "An API token (`gop_…`), made under Settings → API tokens or by POST /api/v1/tokens/.",
        }


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "apps.api.authentication.PageSessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": "sessionid",
            "description": "The session of somebody signed in on a page; writing needs the header X-CSRFToken too.",
        }


def close_inputs(result: dict[str, Any], **_context: Any) -> dict[str, Any]:
    """Say what bodies do: a field that is not named is refused."""
    for name, shape in result.get("components", {}).get("schemas", {}).items():
        if name.endswith("In"):
            shape["additionalProperties"] = False
    return result


@cache
def published() -> Any:
    """The description, made once a process: it depends on nothing but the code."""
    return SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]


class SchemaView(APIView):
    """The description itself; anybody may read it. JSON, or YAML with ``?format=yaml`` or by ``Accept``."""

    authentication_classes: list[Any] = []
    permission_classes = [AllowAny]
    renderer_classes = [OpenApiJsonRenderer, OpenApiYamlRenderer]
    content_negotiation_class = AlwaysAnswers

    @extend_schema(exclude=True)
    def get(self, request: Request) -> Response:
        return Response(published())
