"""Reading bodies and writing answers: JSON, strictly in, always encodable out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import Http404
from rest_framework.exceptions import APIException, NotAcceptable, ParseError
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.serializers import Serializer

from apps.core.strict_json import read_strict_json
from apps.core.text import require_storable

MAX_BODY = 5 * 1024 * 1024
"""Bytes; the longest text that any field takes is far below."""


class TooLarge(APIException):
    status_code = 413
    default_code = "too_large"
    default_detail = f"A body has at most {MAX_BODY // (1024 * 1024)} MiB. It was not read."


class LengthMissing(APIException):
    status_code = 411
    default_code = "length_required"
    default_detail = "Send the body with its Content-Length."


def require_length(request: Request, most: int = MAX_BODY) -> None:
    """Refuse a body that is too large before it is read, and one whose length is not told."""
    given = str(request.META.get("CONTENT_LENGTH") or "").strip()
    if not given and request.headers.get("Transfer-Encoding"):
        raise LengthMissing
    if given and not (given.isascii() and given.isdecimal()):
        raise ParseError("the Content-Length is not a number")
    if given and int(given[:12]) > most:
        raise TooLarge(f"A body here has at most {most:,} bytes. It was not read.")


class StrictJSONParser(BaseParser):
    """JSON in UTF-8 without repeated keys, NaN, or text that no database keeps; anything else is refused with the reason."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        try:
            found = read_strict_json(stream.read())
        except ValueError as error:
            raise ParseError(str(error)) from error
        require_storable(found)
        return found


class AnswerRenderer(JSONRenderer):
    """JSON in UTF-8. Text that has no UTF-8 form is escaped instead of failing the answer."""

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> Any:
        try:
            return super().render(data, accepted_media_type, renderer_context)
        except UnicodeEncodeError:
            return EscapingRenderer().render(data, accepted_media_type, renderer_context)


class EscapingRenderer(JSONRenderer):
    ensure_ascii = True


class AlwaysAnswers(DefaultContentNegotiation):
    """Whatever ``Accept`` says, the answer comes: in the form asked for, else in the first one."""

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        try:
            found: tuple[BaseRenderer, str] = super().select_renderer(request, renderers, format_suffix)
        except (Http404, NotAcceptable):
            return renderers[0], renderers[0].media_type
        return found


def read(shape: type[Serializer[Any]], request: Request) -> dict[str, Any]:
    """The validated body; DRF's ValidationError (422) otherwise. Unknown fields are refused by name."""
    serializer = shape(data=request.data)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


class RawParser(BaseParser):
    """The body as bytes: a signature is over what was sent, not over what we would send."""

    media_type = "*/*"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> dict[str, Any]:
        return {}
