"""Saying something about a line of a deployment's log."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from apps.accounts.models import User
from apps.deployments import services
from apps.presentation.deployment_page import DeploymentPage, deployment_page
from apps.presentation.log_html import step_anchor
from apps.reviews import access
from apps.reviews.models import Thread
from apps.web.forms.base import attempt
from apps.web.forms.log_comments import LogComment
from apps.web.numbers import number_in
from apps.web.once import act_once, new_key
from apps.web.people import signed_in
from apps.web.responding import page, respond, see_other


@page("GET", "HEAD", "POST")
def comment(request: HttpRequest, number: int) -> HttpResponse:
    """GET: the form, for the line in the address. POST: a thread of the change, and back to the line."""
    user = signed_in(request)
    found = deployment_page(user, number, attempt=number_in(request, "attempt"))
    access.can_comment(user, found.deployment.change).require()
    form = _form(request, found)
    status = 200
    if request.method == "POST":
        url = attempt(form, lambda: act_once(request, lambda: _say(user, found, form)))
        if url is not None:
            return see_other(request, url, "Your comment is there.")
        status = 422
    place = f"?attempt={found.attempt}" if found.attempt else ""
    context = {"page": found, "form": form, "form_action": f"{request.path}{place}", "back_url": f"{found.url}{place}",
               "button": "Comment"}  # fmt: skip
    return respond(request, "web/deployments/log_comment.html", context, status=status)


def _form(request: HttpRequest, found: DeploymentPage) -> LogComment:
    asked = {"step": request.GET.get("step", ""), "line": number_in(request, "line"), "kind": "comment"}
    return LogComment(
        request.POST if request.method == "POST" else None,
        deployment=found.deployment.number,
        attempt=found.attempt or 1,
        steps=[step.name for step in found.steps],
        initial={**asked, "idempotency_key": new_key()},
    )


def _say(user: User, found: DeploymentPage, form: LogComment) -> str:
    place = form.place()
    services.comment_on_log(
        user,
        change=found.deployment.change,
        locator=place.locator,
        body=form.cleaned_data["body"],
        kind=form.cleaned_data["kind"] or Thread.Kind.COMMENT,
    )
    return f"{found.url}?attempt={place.attempt}#{step_anchor(place.step, place.attempt)}-L{place.line}"
