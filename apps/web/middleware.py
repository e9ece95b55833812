"""Around every page: the one table from the domain's refusals to pages (status, heading, and nothing typed is lost), and whose clock it shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.utils import timezone

from apps.accounts.absences import zone
from apps.accounts.models import User
from apps.audit.published import Held
from apps.core.errors import Conflict, InvalidInput, NotAllowed, NotVisible, PortalError, TooLarge, Unavailable
from apps.core.text import is_storable, require_storable
from apps.presentation.people import who_could
from apps.web.errors import AWAY, no_database
from apps.web.responding import refuse
from apps.web.typed import way_back, what_was_typed

ANSWERS: tuple[tuple[type[PortalError], int, str], ...] = (
    (NotVisible, 404, "Not found"),
    (NotAllowed, 403, "Not allowed"),
    (Conflict, 409, "Not possible as things are now"),
    (TooLarge, 422, "Too large to be shown"),
    (InvalidInput, 422, "This cannot be understood"),
    (Unavailable, 503, "Not reachable right now"),
    (Held, 503, "Nothing can be done now"),
    (PortalError, 503, "This did not work"),
)

PUBLIC = frozenset({"web:status_page"})
"""Pages that are the same for everybody, and kept on the way."""


def answer_of(error: PortalError) -> tuple[int, str]:
    """Status and heading for ``error``."""
    return next((status, heading) for kind, status, heading in ANSWERS if isinstance(error, kind))


def refusal_page(request: HttpRequest, error: PortalError) -> HttpResponse:
    """The page (or, for htmx, the alert) that says what happened, why, who can act and what next."""
    status, heading = answer_of(error)
    context: dict[str, Any] = {
        "heading": heading,
        "error": error,
        "links": error.details.get("links", ()),
        **what_was_typed(request),
    }
    if isinstance(error, NotAllowed) and isinstance(request.user, User):
        context["who_could"] = who_could(request.user, error)
    if isinstance(error, NotVisible):
        context |= {"error": None, "back": "/queue/"}
    return refuse(request, context, status=status)


def _not_a_page(request: HttpRequest, refused: HttpResponseNotAllowed) -> HttpResponse:
    """Somebody opened the address of a button, for instance from the history of the browser."""
    error = PortalError("not_a_page", "This address belongs to a button, not to a page. Go back and press it there.")
    context = {"heading": "Nothing to see here", "error": error, "back": way_back(request)}
    page = refuse(request, context, status=405)
    page["Allow"] = refused["Allow"]
    return page


def _page_of(request: HttpRequest, error: Exception) -> HttpResponse | None:
    if isinstance(error, PortalError):
        return refusal_page(request, error)
    return no_database(request, error) if isinstance(error, AWAY) else None


def portal_errors(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Turn every :class:`PortalError` that a page view lets through into its page; a database that is away, too."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if isinstance(response, HttpResponseNotAllowed) and not response.content:
            return _not_a_page(request, response)
        return response

    def process_view(request: HttpRequest, _view: Any, _args: Any, kwargs: dict[str, Any]) -> HttpResponse | None:
        """Refuse text that no database keeps here once, so that no page has to think of it."""
        if request.resolver_match is not None and request.resolver_match.namespace == "api":
            return None  # the API refuses with problem documents
        if not all(is_storable(value) for value in kwargs.values() if isinstance(value, str)):
            return refusal_page(request, NotVisible("not_found", "There is nothing here that you can see."))
        try:
            require_storable(dict(request.GET.lists()))
            require_storable(dict(request.POST.lists()))
        except InvalidInput as error:
            return refusal_page(request, error)
        return None

    middleware.process_view = process_view  # type: ignore[attr-defined]
    middleware.process_exception = _page_of  # type: ignore[attr-defined]  # Django's hook for function middleware
    return middleware


def own_time_zone(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Pages show and take times in the zone of the account that is signed in, and name it.

    The API and public pages speak UTC to everybody; on a public page the session is not even read.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        try:
            return get_response(request)
        finally:
            timezone.deactivate()  # the thread answers others next

    def process_view(request: HttpRequest, _view: Any, _args: Any, _kwargs: dict[str, Any]) -> HttpResponse | None:
        match = request.resolver_match
        is_for_all = match is not None and (match.namespace == "api" or match.view_name in PUBLIC)
        if is_for_all or settings.SESSION_COOKIE_NAME not in request.COOKIES:
            return None
        try:
            name = request.user.time_zone if isinstance(request.user, User) else ""
        except AWAY as error:  # who it is has to be read first of all, where no ``process_exception`` sees it
            return _page_of(request, error)
        if name:
            timezone.activate(zone(name))
        return None

    middleware.process_view = process_view  # type: ignore[attr-defined]
    return middleware
