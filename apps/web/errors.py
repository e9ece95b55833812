"""Django's own error handlers, in the look of the portal; each offers a next step."""

from __future__ import annotations

import logging
import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from apps.core.context import request_id
from apps.web.responding import refuse, wants_fragment
from apps.web.typed import what_was_typed

logger = logging.getLogger("portal.web")
AWAY = (OperationalError, InterfaceError)
"""What Django raises of a database that is away, busy or full."""


def _page(request: HttpRequest, status: int, heading: str, text: str) -> HttpResponse:
    return refuse(request, {"heading": heading, "text": text, "back": "/queue/"}, status=status)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _page(request, 400, "This request cannot be read", "Go back, reload the page and try again.")


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _page(request, 403, "Not allowed", str(exception) or "Your account may not do this.")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Says the same for what does not exist and for what this person may not know of."""
    return refuse(request, {}, status=404, template="errors/404.html")


def csrf_refused(request: HttpRequest, reason: str = "") -> HttpResponse:
    """The form came without its token: cookies are off, or the sign-in changed in another tab."""
    return _page(request, 403, "This form has expired", "Open the page again, then send the form once more.")


def no_database(request: HttpRequest, error: BaseException) -> HttpResponse:
    """The database is away, busy or full: said without asking it anything, and what was typed is kept."""
    logger.error("page_database_unavailable", exc_info=error)
    text = "The database does not answer, or has no room to write. Look whether what you did had its effect, then try again."
    told = {"status": 503, "heading": "Not reachable right now", "text": text, **what_was_typed(request)}
    template = "web/errors/_refused.html" if wants_fragment(request) else "errors/503.html"
    return HttpResponse(render_to_string(template, told), status=503, headers={"Retry-After": "5"})


def server_error(request: HttpRequest) -> HttpResponse:
    """An own mistake: no context processor, no query, the id by which the log finds it.

    A database that went away where no view sees it, such as when the session is written at the end, is no mistake.
    """
    error = sys.exc_info()[1]
    if isinstance(error, AWAY):
        return no_database(request, error)
    context = {"request_id": request_id.get()}
    return HttpResponse(render_to_string("errors/500.html", context), status=500)
