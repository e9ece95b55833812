"""Accounts, for administrators: to everybody else these pages do not exist."""

from __future__ import annotations

from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse

from apps.accounts import queries, services
from apps.accounts.models import User
from apps.core.errors import InvalidInput
from apps.web.forms.base import attempt
from apps.web.forms.people import NewPerson
from apps.web.once import act_once, new_key
from apps.web.people import administrator, named
from apps.web.responding import page, reads, respond, see_other, writes

PAGE_SIZE = 50


@reads
def index(request: HttpRequest) -> HttpResponse:
    administrator(request)
    text, after = request.GET.get("q", "").strip(), request.GET.get("after", "")
    found = queries.people(text=text, include_inactive=True, after=after, limit=PAGE_SIZE + 1)
    rows = found[:PAGE_SIZE]
    following = {"q": text, "after": rows[-1].handle} if len(found) > PAGE_SIZE else None
    context = {"rows": rows, "q": text, "next_url": f"?{urlencode(following)}" if following else ""}
    return respond(request, "web/people/list.html", context)


@page("GET", "HEAD", "POST")
def new(request: HttpRequest) -> HttpResponse:
    user = administrator(request)
    form = NewPerson(request.POST if request.method == "POST" else None, initial={"idempotency_key": new_key()})
    status = 200
    if request.method == "POST":
        url = attempt(form, lambda: act_once(request, lambda: _create(user, form)))
        if url:
            return see_other(request, url, f"The account {form.cleaned_data['username']} is there.")
        status = 422
    return respond(request, "web/people/new.html", {"form": form}, status=status)


def _create(user: User, form: NewPerson) -> str:
    data = {name: value for name, value in form.cleaned_data.items() if name != "idempotency_key"}
    sponsor = _sponsor(data.pop("sponsor"))
    made = services.create_user(user, sponsor=sponsor, **data)
    return f"/people/?{urlencode({'q': made.username})}"


def _sponsor(handle: str) -> User | None:
    """Nobody for an empty handle; an unknown one is said at its field."""
    if not handle.strip():
        return None
    try:
        return named(handle)
    except InvalidInput as problem:
        raise InvalidInput(problem.code, problem.message, field="sponsor") from problem


@writes
def sponsor(request: HttpRequest, handle: str) -> HttpResponse:
    """Who answers for a service account; an empty handle: nobody."""
    user = administrator(request)
    found = _sponsor(request.POST.get("sponsor", ""))
    services.set_sponsor(user, user=queries.user_by_handle(handle), sponsor=found)
    return see_other(request, "/people/", f"{found.username if found else 'Nobody'} answers for {handle} now.")


@writes
def deactivate(request: HttpRequest, handle: str) -> HttpResponse:
    user = administrator(request)
    services.deactivate_user(user, user=queries.user_by_handle(handle))
    return see_other(request, "/people/", f"{handle} is deactivated: no session, socket or token of it works any more.")


@writes
def reactivate(request: HttpRequest, handle: str) -> HttpResponse:
    user = administrator(request)
    services.reactivate_user(user, user=queries.user_by_handle(handle))
    return see_other(request, "/people/", f"{handle} may sign in again.")


@writes
def connecting(request: HttpRequest, handle: str) -> HttpResponse:
    """Let somebody connect repositories, or no longer (``allowed`` is ``yes`` or anything else)."""
    user = administrator(request)
    is_allowed = request.POST.get("allowed") == "yes"
    services.set_connect_permission(user, user=queries.user_by_handle(handle), allowed=is_allowed)
    word = "may now" if is_allowed else "may no longer"
    return see_other(request, "/people/", f"{handle} {word} connect repositories.")
