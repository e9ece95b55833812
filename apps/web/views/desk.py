"""The queue: what needs me, what waits, what runs."""

from __future__ import annotations

from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from apps.presentation.queue_page import queue_page
from apps.reviews.queries import attention_count
from apps.web.people import signed_in
from apps.web.responding import reads, respond


@reads
def home(request: HttpRequest) -> HttpResponse:
    return HttpResponseRedirect("/queue/")


@reads
def queue(request: HttpRequest) -> HttpResponse:
    """The page; for htmx its live part, `queue-updates`."""
    context = {"page": queue_page(signed_in(request))}
    return respond(request, "web/queue/queue.html", context, fragment="web/queue/_sections.html")


@reads
def queue_count(request: HttpRequest) -> HttpResponse:
    """The number beside “Queue”."""
    context = {"queue_count": attention_count(signed_in(request))}
    return respond(request, "web/queue/queue_count.html", context, fragment="web/queue/_queue_count.html")


@reads
def search(request: HttpRequest) -> HttpResponse:
    """One grammar, one list: searching is the list of changes with a query."""
    return HttpResponseRedirect(f"/changes/?{urlencode({'q': request.GET.get('q', '')})}")
