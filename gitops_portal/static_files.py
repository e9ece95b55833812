"""Browser assets from the portal's own process: WhiteNoise finds them, and answers in one piece.

WhiteNoise answers with a file, which Django under ASGI reads block by block in a thread, and warns about. The largest of
ours are some hundred kilobytes; one read is less work than the threads.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse
from whitenoise.middleware import WhiteNoiseMiddleware


class StaticFiles(WhiteNoiseMiddleware):  # type: ignore[misc]  # whitenoise has no types
    """WhiteNoise's middleware with whole answers; its headers (type, length, range, ETag, caching) stay as they are."""

    @staticmethod
    def serve(static_file: Any, request: HttpRequest) -> HttpResponse:
        """The asset, the asked range of it, 304 or 405, as WhiteNoise decided."""
        found = static_file.get_response(request.method, request.META)
        content = b""
        if found.file is not None:
            with found.file as file:
                content = file.read()
        response = HttpResponse(content, status=HTTPStatus(found.status))
        del response["Content-Type"]
        for name, value in found.headers:
            response[name] = value
        return response
