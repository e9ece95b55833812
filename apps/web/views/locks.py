"""Locks that people hold on environments."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from apps.core.errors import InvalidInput
from apps.deployments import queries, services
from apps.deployments.access import require_lock
from apps.presentation.environment_page import environment_page
from apps.web.forms.base import attempt
from apps.web.forms.locks import LockEnvironment
from apps.web.people import signed_in
from apps.web.responding import page, respond, see_other, writes


@page("GET", "HEAD", "POST")
def lock(request: HttpRequest, repository: str, name: str) -> HttpResponse:
    """Keep the environment for one's own deployments; or, with the key of a lock that was seen, take that over."""
    user = signed_in(request)
    row = queries.find_environment(user, repository, name)
    require_lock(user, row)
    url = f"/environments/{repository}/{name}/"
    form = LockEnvironment(request.POST if request.method == "POST" else None)
    status = 200
    if request.method == "POST":
        seen = request.POST.get("lock", "")
        if seen and not (seen.isascii() and seen.isdigit() and len(seen) < 15):
            raise InvalidInput("bad_lock", "Open the page of the environment again.", field="lock")

        def act() -> object:
            if seen:
                return services.take_over_lock(user, environment=row, lock=int(seen), **form.words())
            return services.lock_environment(user, environment=row, **form.words())

        if attempt(form, act) is not None:
            return see_other(request, url, f"{name} is locked by you. Roll-backs still start.")
        status = 422
    found = environment_page(user, repository, name)
    if found.lock is not None and found.holds_lock:
        form.initial["reason"] = found.lock.reason
    return respond(request, "web/environments/lock.html", {"page": found, "form": form}, status=status)


@writes
def unlock(request: HttpRequest, repository: str, name: str) -> HttpResponse:
    user = signed_in(request)
    services.unlock_environment(user, environment=queries.find_environment(user, repository, name))
    return see_other(request, f"/environments/{repository}/{name}/", f"{name} is not locked any more.")
