"""The public page of an environment, and the form that switches it."""

from __future__ import annotations

import hashlib
from datetime import UTC

from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.cache import get_conditional_response
from django.views.decorators.http import require_http_methods

from apps.deployments import queries, services
from apps.deployments.queries.status_pages import public_page
from apps.presentation.status_page import public_status
from apps.web.forms.base import attempt
from apps.web.forms.environments import PublicPage
from apps.web.people import signed_in
from apps.web.responding import page, see_other
from apps.web.views.environments import show_again

KEEP = 15
"""Seconds for which a written page is kept, here and on the way. Switching off takes effect at once here."""
REFRESH = 60
"""Seconds after which an open page asks again, by the browser's own means: it has no script, and a screen in a corridor has nobody who reloads."""


@require_http_methods(["GET", "HEAD"])
def status(request: HttpRequest, slug: str) -> HttpResponse:
    """The same for everybody, signed in or not: no session is read, times are in UTC, and what is written depends on the row alone."""
    row = public_page(slug)
    key = f"status-page:2:{row.pk}:{row.updated_at.timestamp()}"
    html: str | None = cache.get(key)
    if html is None:
        with timezone.override(UTC):
            html = render_to_string("web/environments/status.html", {"status": public_status(row)})
        cache.set(key, html, KEEP)
    response = HttpResponse(html)
    tag = f'"{hashlib.sha256(html.encode()).hexdigest()[:32]}"'
    response["ETag"] = tag
    response["Cache-Control"] = f"public, max-age={KEEP}"
    response["Refresh"] = str(REFRESH)
    response["Referrer-Policy"] = "no-referrer"
    response["X-Robots-Tag"] = "noindex"
    found = get_conditional_response(request, etag=tag, response=response)
    return found if isinstance(found, HttpResponse) else response


@page("GET", "HEAD", "POST")
def set_status_page(request: HttpRequest, repository: str, name: str) -> HttpResponse:
    """POST: switch it on or off, and say what it shows. GET: where a reloaded page of a refused form ends up."""
    url = f"/environments/{repository}/{name}/#status-page"
    if request.method != "POST":
        return see_other(request, url)
    user = signed_in(request)
    row = queries.find_environment(user, repository, name)
    form = PublicPage(request.POST)
    done = attempt(form, lambda: services.set_status_page(user, environment=row, **form.cleaned_data))
    if done is None:
        return show_again(request, repository, name, public=form)
    said = f"Anybody who knows its address can read the page of {row.name} now." if done.is_on else "The page is off."
    return see_other(request, url, said)
