"""How every page answers: whole, or as the fragment that htmx asked for (UX §2.12.4)."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, cast
from urllib.parse import urlsplit

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_http_methods

from apps.core.reading import one_read
from apps.presentation.freezes import Notices

P = ParamSpec("P")
READING = frozenset({"GET", "HEAD"})
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


def wants_fragment(request: HttpRequest) -> bool:
    """Whether htmx asked, and not for a page that it restores from history: that one must be whole."""
    return request.headers.get("HX-Request") == "true" and request.headers.get("HX-History-Restore-Request") != "true"


def respond(
    request: HttpRequest, template: str, context: dict[str, Any] | None = None, *, fragment: str = "", status: int = 200
) -> HttpResponse:
    """The page ``template``, or the partial ``fragment`` when one is named and htmx asked for it."""
    part = bool(fragment) and wants_fragment(request)
    html = render_to_string(fragment if part else template, context or {}, request)
    response = HttpResponse(html, status=status)
    patch_vary_headers(response, ["HX-Request"])
    response["Cache-Control"] = "no-store" if part or status != 200 else "private, no-cache"
    return response


def refuse(
    request: HttpRequest, context: dict[str, Any], *, status: int, template: str = "web/errors/refused.html"
) -> HttpResponse:
    """A page that says what is wrong. It needs neither Git nor the calendar: what failed there must not fail here, too."""
    told = {"freezes": Notices(), "status": status, **context}
    return respond(request, template, told, fragment="web/errors/_refused.html", status=status)


def see_other(request: HttpRequest, url: str, message: str = "", *, is_good: bool = True) -> HttpResponse:
    """The end of every action: say what was done, and show where it can be seen (303). ``is_good``: false for bad news."""
    if message:
        messages.add_message(request, messages.SUCCESS if is_good else messages.ERROR, message)
    if wants_fragment(request):
        return HttpResponse(status=204, headers={"HX-Redirect": url})
    response = HttpResponseRedirect(url)
    response.status_code = 303
    return response


def come_back_to(request: HttpRequest) -> str:
    """Where signing in leads: this address, or for an action or a part of a page, which one does not open, the page."""
    if request.method in READING and not wants_fragment(request):
        return request.get_full_path()
    referrer = urlsplit(request.headers.get("Referer", ""))
    if referrer.netloc != request.get_host():
        return "/queue/"
    return f"{referrer.path}?{referrer.query}" if referrer.query else referrer.path


def page(*methods: str) -> Callable[[View[P]], View[P]]:
    """A view for people who are signed in; others are sent to the sign-in page and come back."""

    def decorate(view: View[P]) -> View[P]:
        @wraps(view)
        def wrapped(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            if request.user.is_authenticated and request.method in READING:
                with one_read():
                    return view(request, *args, **kwargs)
            if request.user.is_authenticated:
                return view(request, *args, **kwargs)
            if wants_fragment(request):
                return HttpResponse(status=204, headers={"HX-Redirect": redirect_to_login(come_back_to(request)).url})
            return redirect_to_login(come_back_to(request))

        checked = require_http_methods(list(methods) or ["GET", "HEAD"])(wrapped)
        return cast("View[P]", checked)

    return decorate


reads = page("GET", "HEAD")
"""Decorator of a view that only shows."""

writes = page("POST")
"""Decorator of an action: POST only."""
