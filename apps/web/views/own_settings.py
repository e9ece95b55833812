"""One's own settings: the look of the pages, and API tokens."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from apps.accounts import queries, services
from apps.accounts.models import User
from apps.accounts.scopes import possible_scopes
from apps.core.clock import now
from apps.web.forms.base import attempt
from apps.web.forms.keyboard import KeyboardForm
from apps.web.forms.people import NewToken
from apps.web.once import act_once, new_key
from apps.web.people import signed_in
from apps.web.responding import page, reads, respond, see_other, writes
from apps.web.shown_once import keep, take
from apps.web.views.inbox import news_choices

TOKENS = "/settings/tokens/"
KEYBOARD = "/settings/keyboard/"


@reads
def settings(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    return respond(
        request, "web/settings/settings.html", {"teams": sorted(queries.teams_of(user)), "news": news_choices(request)}
    )


@page("GET", "HEAD", "POST")
def keyboard(request: HttpRequest) -> HttpResponse:
    """One's own keys for the shortcuts; a refused one is named, and what was typed stays."""
    user = signed_in(request)
    form = KeyboardForm(request.POST if request.method == "POST" else None, user=user)
    if request.method == "POST":
        if attempt(form, lambda: _choose_shortcuts(user, form)):
            return see_other(request, KEYBOARD, "Your keys are saved.")
        return respond(request, "web/settings/keyboard.html", {"form": form}, status=422)
    return respond(request, "web/settings/keyboard.html", {"form": form})


def _choose_shortcuts(user: User, form: KeyboardForm) -> User:
    return services.choose_shortcuts(user, user=user, is_on=form.cleaned_data["is_on"], keys=form.keys())


@page("GET", "HEAD", "POST")
def tokens(request: HttpRequest) -> HttpResponse:
    """The tokens, and the form for a new one; its secret is shown once, on the page after."""
    user = signed_in(request)
    possible = possible_scopes(user)
    form = NewToken(
        request.POST if request.method == "POST" else None,
        possible=possible,
        initial={"idempotency_key": new_key(), "scopes": ["read"]},
    )
    status = 200
    if request.method == "POST":
        url = attempt(form, lambda: act_once(request, lambda: _create(request, user, form)))
        if url:
            return see_other(request, url, f"The token {form.cleaned_data['name']} is there.")
        status = 422
    context = {"form": form, "rows": queries.tokens_of(user, at=now()), "secret": take(request, "token")}
    return respond(request, "web/settings/tokens.html", context, status=status)


def _create(request: HttpRequest, user: User, form: NewToken) -> str:
    data = form.cleaned_data
    _, secret = services.create_token(user, user=user, name=data["name"], scopes=data["scopes"], days=data["days"])
    keep(request, "token", secret)
    return TOKENS


@writes
def revoke(request: HttpRequest, token: int) -> HttpResponse:
    user = signed_in(request)
    revoked = services.revoke_token(user, token=queries.token_of(user, token))
    return see_other(request, TOKENS, f"The token {revoked.name} is revoked; it stopped working now.")
