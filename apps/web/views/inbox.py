"""The inbox: what happened that concerns me."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils.http import url_has_allowed_host_and_scheme

from apps.core.errors import InvalidInput
from apps.presentation.inbox_page import inbox_page
from apps.reviews import services
from apps.reviews.models import News
from apps.reviews.queue import desk_of
from apps.web.numbers import number_in
from apps.web.people import signed_in
from apps.web.responding import reads, respond, see_other, writes

INBOX = "/inbox/"


@reads
def inbox(request: HttpRequest) -> HttpResponse:
    """The page; for htmx its live part, `inbox-rows`."""
    page = inbox_page(
        signed_in(request),
        unread=request.GET.get("show") == "unread",
        kind=request.GET.get("kind", ""),
        after=number_in(request, "after"),
    )
    context = {"page": page, "refresh_url": request.get_full_path()}
    return respond(request, "web/inbox/inbox.html", context, fragment="web/inbox/_rows.html")


@writes
def mark(request: HttpRequest) -> HttpResponse:
    """Mark one row, the ticked ones, or all as read; or one as unread."""
    user = signed_in(request)
    if request.POST.get("all"):
        count = services.mark_all_read(user)
        return see_other(request, INBOX, f"{count} marked as read." if count else "")
    rows = [
        int(one) for one in request.POST.getlist("row")[:200] if one.isascii() and one.isdecimal() and len(one) < 16
    ]
    if not rows:
        raise InvalidInput("nothing_chosen", "Choose a row of your inbox first.", field="row")
    services.mark_news(user, rows=rows, read=request.POST.get("read", "1") == "1")
    wanted = request.POST.get("next", INBOX)
    own = url_has_allowed_host_and_scheme(wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure())
    return see_other(request, wanted if own else INBOX)


@writes
def choose(request: HttpRequest) -> HttpResponse:
    """Which kinds of news the inbox is to hold."""
    wanted = set(request.POST.getlist("kind"))
    services.choose_news(signed_in(request), muted=[kind for kind in News.Kind.values if kind not in wanted])
    return see_other(request, "/settings/", "Your inbox tells what you chose.")


def news_choices(request: HttpRequest) -> list[tuple[str, str, bool]]:
    """(kind, label, wanted) for the settings page."""
    muted = desk_of(signed_in(request)).muted
    return [(kind, str(label), kind not in muted) for kind, label in News.Kind.choices]
