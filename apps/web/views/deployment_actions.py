"""What people do to a deployment: start, cancel, retry, decide, roll back."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse

from apps.accounts.models import User
from apps.changes.models import ChangeRequest
from apps.core.errors import Conflict, InvalidInput, PortalError
from apps.deployments import access, queries, services
from apps.deployments.models import Deployment
from apps.deployments.queries.coming import coming_with
from apps.deployments.queries.undoing import require_undoable
from apps.presentation.deployment_page import DeploymentPage, deployment_page
from apps.presentation.return_page import return_page
from apps.presentation.rollback_page import rollback_page
from apps.reviews import services as reviews
from apps.web.forms.base import attempt
from apps.web.forms.deployments import BringBack, Resolve, Retry, RollBack
from apps.web.once import act_once, new_key
from apps.web.people import signed_in
from apps.web.responding import page, respond, see_other, writes

TRY_AGAIN = "Open the page of the deployment to see its present state."


def _url(number: int) -> str:
    return f"/deployments/{number}/"


@page("GET", "HEAD", "POST")
def start(request: HttpRequest, number: int) -> HttpResponse:
    """GET lists exactly what would become live; POST starts it."""
    user = signed_in(request)
    row = queries.find(user, number)
    if request.method != "POST":
        access.require_run(user, row)
        context = {"page": deployment_page(user, number), "coming": coming_with(row), "form_action": request.path,
                   "back_url": _url(number), "button": f"Start in {row.environment.name}"}  # fmt: skip
        return respond(request, "web/deployments/start.html", context)
    row = services.release(user, deployment=row)
    return see_other(request, _url(number), f"{row.label} starts as soon as nothing else holds it.")


@page("GET", "HEAD", "POST")
def cancel(request: HttpRequest, number: int) -> HttpResponse:
    """GET says what is applied already; POST cancels."""
    user = signed_in(request)
    found = deployment_page(user, number)
    if request.method != "POST":
        access.require_run(user, found.deployment)
        context = {"page": found, "form_action": request.path, "back_url": _url(number), "danger": True,
                   "button": f"Cancel {found.deployment.label}"}  # fmt: skip
        return respond(request, "web/deployments/cancel.html", context)
    services.cancel(user, deployment=found.deployment)
    return see_other(request, _url(number), f"{found.deployment.label} is being cancelled.")


@page("GET", "HEAD", "POST")
def retry(request: HttpRequest, number: int) -> HttpResponse:
    """GET says what is applied and what would be done again; POST asks for the attempt."""
    user = signed_in(request)
    if request.method != "POST":
        return _before_retry(request, deployment_page(user, number))
    row = queries.find(user, number)
    text = request.POST.get("from_step", "").strip()
    if text and not (text.isascii() and text.isdigit() and len(text) < 4):
        raise InvalidInput("unknown_step", "Choose one of the steps.", field="from_step")
    only_failed = request.POST.get("only_failed") == "1"
    services.retry(user, deployment=row, from_step=int(text) if text else None, only_failed=only_failed)
    return see_other(request, _url(number), f"{row.label} gets a new attempt.")


def _before_retry(request: HttpRequest, found: DeploymentPage) -> HttpResponse:
    row, only_failed = found.deployment, request.GET.get("only_failed") == "1"
    access.require_run(signed_in(request), row)
    if not (found.actions.retry_only_failed if only_failed else found.actions.retry):
        raise Conflict("nothing_to_retry", f"{row.label} cannot be retried like this any more. {TRY_AGAIN}")
    form = Retry(
        steps=() if only_failed else found.actions.retry_steps, initial={"only_failed": "1" if only_failed else ""}
    )
    context = {"page": found, "form": form, "only_failed": only_failed, "form_action": request.path,
               "back_url": found.url, "button": f"Retry {row.label}"}  # fmt: skip
    return respond(request, "web/deployments/retry.html", context)


@writes
def act_on_step(request: HttpRequest, number: int, step: int) -> HttpResponse:
    """Pass on what the step offers to the system that runs it."""
    user = signed_in(request)
    row = queries.find(user, number)
    action = request.POST.get("action", "")
    done = services.act_on_step(user, deployment=row, step=step, action=action)
    return see_other(request, _url(number), f"{done.name}: {action} is passed on.")


@page("GET", "HEAD", "POST")
def resolve(request: HttpRequest, number: int) -> HttpResponse:
    """Decide how a deployment ended whose outcome could not be learned."""
    user = signed_in(request)
    found = deployment_page(user, number)
    form = Resolve(request.POST if request.method == "POST" else None)
    status = 200
    if request.method == "POST":
        decided = attempt(form, lambda: services.resolve(user, deployment=found.deployment, **form.cleaned_data))
        if decided is not None:
            return see_other(request, _url(number), f"Recorded: {decided.label} {form.cleaned_data['outcome']}.")
        status = 422
    context = {"page": found, "form": form, "form_action": request.path, "back_url": _url(number),
               "button": "Record what happened"}  # fmt: skip
    return respond(request, "web/deployments/resolve.html", context, status=status)


@page("GET", "HEAD", "POST")
def rollback(request: HttpRequest, number: int) -> HttpResponse:
    """GET shows exactly what would be undone; POST makes the inverse change."""
    user = signed_in(request)
    row = queries.find(user, number)
    access.require_run(user, row)
    if not row.change.merge_commit:
        raise Conflict("not_merged", f"{row.change.label} is not merged, so there is nothing to take back. {TRY_AGAIN}")
    require_undoable(row)
    preview = rollback_page(row)
    form = RollBack(
        request.POST if request.method == "POST" else None,
        confirm_name=preview.confirm_name,
        confirmers=preview.gate.confirmers if preview.gate else (),
        initial={"idempotency_key": new_key()},
    )
    status = 200
    if request.method == "POST":
        url = attempt(form, lambda: act_once(request, lambda: _roll_back(request, user, row, form.cleaned_data)))
        if url is not None:
            return see_other(request, url, f"This change takes {row.change.label} out again.")
        status = 422
    context = {"preview": preview, "form": form, "form_action": request.path, "back_url": _url(number),
               "danger": True, "button": f"Roll back {row.change.label}"}  # fmt: skip
    return respond(request, "web/deployments/rollback.html", context, status=status)


@page("GET", "HEAD", "POST")
def bring_back(request: HttpRequest, number: int) -> HttpResponse:
    """GET shows exactly what would be taken back; POST makes the change that does it."""
    user = signed_in(request)
    row = queries.find(user, number)
    access.require_bring_back(user, row.environment)
    preview = return_page(row)
    form = BringBack(
        request.POST if request.method == "POST" else None,
        confirm_name=preview.confirm_name,
        confirmers=preview.gate.confirmers if preview.gate else (),
        initial={"idempotency_key": new_key(), "tip": preview.found.tip if preview.found else ""},
    )
    status = 200
    if request.method == "POST":
        url = attempt(form, lambda: act_once(request, lambda: _bring_back(request, user, row, form.cleaned_data)))
        if url is not None:
            return see_other(request, url, f"This change brings {row.label} back to {row.environment.name}.")
        status = 422
    back_url = f"/environments/{row.environment.repository.name}/{row.environment.name}/#history-title"
    context = {"preview": preview, "form": form, "form_action": request.path, "back_url": back_url,
               "danger": True, "button": f"Bring {row.label} back"}  # fmt: skip
    return respond(request, "web/deployments/bring_back.html", context, status=status)


def _bring_back(request: HttpRequest, user: User, row: Deployment, data: dict[str, Any]) -> str:
    return _declared(request, user, services.bring_back(user, deployment=row, tip=data["tip"]), data)


def _roll_back(request: HttpRequest, user: User, row: Deployment, data: dict[str, Any]) -> str:
    return _declared(request, user, services.roll_back(user, deployment=row), data)


def _declared(request: HttpRequest, user: User, change: ChangeRequest, data: dict[str, Any]) -> str:
    """The page of ``change``, with an emergency of it where one was asked for; a refusal leaves the change, and is told."""
    reason = data.get("emergency", "").strip()
    if reason:
        try:
            reviews.declare_emergency(user, change=change, reason=reason, incident=data.get("incident", ""))
        except PortalError as problem:
            messages.warning(request, f"No emergency was declared: {problem.message}")
    return f"/changes/{change.number}/"
