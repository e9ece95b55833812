"""The queue: what needs me, what waits, what runs; and how I like it arranged."""

from __future__ import annotations

from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from apps.core.errors import InvalidInput
from apps.presentation.queue_page import queue_page, section_page
from apps.presentation.queue_views import TITLES, VIEWS, ordered, view_of
from apps.reviews import services
from apps.reviews.queue import desk_of
from apps.web.numbers import number_in
from apps.web.people import signed_in
from apps.web.responding import reads, respond, see_other, writes


@reads
def home(request: HttpRequest) -> HttpResponse:
    return HttpResponseRedirect("/queue/")


@reads
def queue(request: HttpRequest) -> HttpResponse:
    """The page; for htmx its live part, `queue-updates`. ``?view=`` looks at another role's home without keeping it."""
    user = signed_in(request)
    desk = desk_of(user)
    page = queue_page(user, desk, folds=folds_of(request), view=request.GET.get("view", ""))
    order = [(key, TITLES[key]) for key in ordered(page.view, desk)]
    context = {"page": page, "order": order, "refresh_url": request.get_full_path()}
    return respond(request, "web/queue/queue.html", context, fragment="web/queue/_sections.html")


@reads
def section(request: HttpRequest, key: str) -> HttpResponse:
    """All of one section."""
    page = section_page(signed_in(request), key, start=number_in(request, "start") or 0)
    return respond(request, "web/queue/section.html", {"page": page, "section": page.section})


@writes
def arrange(request: HttpRequest) -> HttpResponse:
    """Choose a view, or move one section up or down."""
    user = signed_in(request)
    if "view" in request.POST:
        view = request.POST["view"]
        if view and view not in VIEWS:
            raise InvalidInput("bad_view", f"There is no view called “{view[:40]}”.", field="view")
        services.arrange_desk(user, view=view, order=[])
        return see_other(request, "/queue/", f"Your queue is shown as {VIEWS[view].title if view else 'your role'}.")
    desk = desk_of(user)
    order = list(ordered(view_of(user, desk), desk))
    key, move = request.POST.get("section", ""), request.POST.get("move", "")
    if key not in order or move not in {"up", "down"}:
        raise InvalidInput("bad_order", "Name a section of your queue, and up or down.", field="section")
    at = order.index(key)
    to = max(0, min(len(order) - 1, at + (1 if move == "down" else -1)))
    order[at], order[to] = order[to], order[at]
    services.arrange_desk(user, order=order)
    return see_other(request, "/queue/#arrange")


def folds_of(request: HttpRequest) -> dict[str, bool]:
    """Sections that this browser closed (1) or opened (0): the cookie ``folds``, as ``done.0-drafts.1``."""
    pairs = (one.partition(".") for one in request.COOKIES.get("folds", "")[:1_000].split("-"))
    return {key: closed == "1" for key, _, closed in pairs if key in TITLES}


@reads
def queue_count(request: HttpRequest) -> HttpResponse:
    """The number beside “Queue”; the frame's own facts hold it."""
    return respond(request, "web/queue/queue_count.html", fragment="web/queue/_queue_count.html")


@reads
def inbox_count(request: HttpRequest) -> HttpResponse:
    return respond(request, "web/queue/inbox_count.html", fragment="web/queue/_inbox_count.html")


@reads
def search(request: HttpRequest) -> HttpResponse:
    """One grammar, one list: searching is the list of changes with a query."""
    return HttpResponseRedirect(f"/changes/?{urlencode({'q': request.GET.get('q', '')})}")
