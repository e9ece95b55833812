"""What people do to a deployment: start, cancel, retry, decide, roll back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse

from apps.accounts.models import User
from apps.changes.models import ChangeRequest
from apps.core.errors import Conflict, InvalidInput, PortalError
from apps.deployments import access, queries, services
from apps.presentation.coming_page import coming_page
from apps.presentation.deployment_page import DeploymentPage, deployment_page
from apps.presentation.rendered_back import rendered_back
from apps.presentation.return_page import ReturnPage, return_page
from apps.presentation.rollback_page import RollbackPage, rollback_page
from apps.reviews import services as reviews
from apps.web.forms.base import attempt
from apps.web.forms.deployments import Resolve, Retry, RollBack
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
    if request.method != "POST":
        return _before_start(request, deployment_page(user, number))
    row = services.release(user, deployment=queries.find(user, number))
    return see_other(request, _url(number), f"You asked to start {row.label}.")


def _before_start(request: HttpRequest, found: DeploymentPage) -> HttpResponse:
    row = found.deployment
    access.require_run(signed_in(request), row)
    require_offered(found, found.actions.start, "started by hand")
    held = [wait for wait in row.waits if wait["code"] != "manual"]
    context = {"page": found, "coming": coming_page(row), "held": held, "form_action": request.path,
               "back_url": found.url, "button": f"Start in {row.environment.name}"}  # fmt: skip
    return respond(request, "web/deployments/start.html", context)


def require_offered(found: DeploymentPage, is_offered: bool, done: str) -> None:
    """What a deployment does not offer any more has no page before it, either."""
    if not is_offered:
        row = found.deployment
        state = "being cancelled" if found.actions.cancelling else row.status
        said = f"{row.label} is {state}; it cannot be {done} now. {TRY_AGAIN}"
        raise Conflict("wrong_state", said, status=row.status)


@page("GET", "HEAD", "POST")
def cancel(request: HttpRequest, number: int) -> HttpResponse:
    """GET says what is applied already; POST cancels."""
    user = signed_in(request)
    found = deployment_page(user, number)
    if request.method != "POST":
        access.require_run(user, found.deployment)
        require_offered(found, found.actions.cancel, "cancelled")
        context = {"page": found, "form_action": request.path, "back_url": _url(number), "danger": True,
                   "button": f"Cancel {found.deployment.label}"}  # fmt: skip
        return respond(request, "web/deployments/cancel.html", context)
    services.cancel(user, deployment=found.deployment)
    return see_other(request, _url(number), f"You asked to cancel {found.deployment.label}.")


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
    return see_other(request, _url(number), f"You asked to retry {row.label}.")


def _before_retry(request: HttpRequest, found: DeploymentPage) -> HttpResponse:
    row, only_failed = found.deployment, request.GET.get("only_failed") == "1"
    access.require_run(signed_in(request), row)
    if found.actions.taken_back:
        raise Conflict("rolled_back", found.actions.taken_back)
    if not (found.actions.retry_only_failed if only_failed else found.actions.retry):
        raise Conflict("nothing_to_retry", f"{row.label} cannot be retried like this any more. {TRY_AGAIN}")
    form = Retry(
        steps=() if only_failed else found.actions.retry_steps, initial={"only_failed": "1" if only_failed else ""}
    )
    coming = replace(coming_page(row), again=None)  # of the failure the page speaks itself
    context = {"page": found, "form": form, "only_failed": only_failed, "coming": coming, "form_action": request.path,
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
    undoing = _Undoing(
        preview=lambda: rollback_page(user, row),
        act=lambda shown: services.roll_back(user, deployment=row, **shown),
        template="web/deployments/rollback.html",
        button=f"Roll back {row.change.label}",
        back_url=_url(number),
        done=f"This change takes {row.change.label} out again.",
    )
    return _undo(request, undoing)


@page("GET", "HEAD", "POST")
def bring_back(request: HttpRequest, number: int) -> HttpResponse:
    """GET shows exactly what would be taken back; POST makes the change that does it."""
    user = signed_in(request)
    row = queries.find(user, number)
    access.require_bring_back(user, row.environment)
    undoing = _Undoing(
        preview=lambda: return_page(row),
        act=lambda shown: services.bring_back(user, deployment=row, tip=shown["tip"]),
        template="web/deployments/bring_back.html",
        button=f"Bring {row.label} back",
        back_url=f"/environments/{row.environment.repository.name}/{row.environment.name}/#history-title",
        done=f"This change brings {row.label} back to {row.environment.name}.",
    )
    return _undo(request, undoing)


@dataclass(frozen=True, slots=True)
class _Undoing:
    """``preview`` reads what would be done now; ``act`` does it, given what was shown: ``tip`` and ``environments``."""

    preview: Callable[[], RollbackPage | ReturnPage]
    act: Callable[[dict[str, Any]], ChangeRequest]
    template: str
    button: str
    back_url: str
    done: str


def _undo(request: HttpRequest, undoing: _Undoing) -> HttpResponse:
    """The page before it and the act. What moved since the page was read is shown anew (409): nobody confirms what they did not see."""
    preview, status = undoing.preview(), 200
    form = _undo_form(preview, request.POST if request.method == "POST" else None)
    if request.method == "POST":
        try:
            url = attempt(form, lambda: act_once(request, lambda: _undone(request, undoing, form.cleaned_data)))
        except Conflict as problem:
            if problem.code != "target_moved":
                raise
            preview, status = undoing.preview(), 409
            form = _undo_form(preview, {**request.POST.dict(), **preview.shown})
            form.add_error(None, problem.message)
        else:
            if url is not None:
                return see_other(request, url, undoing.done)
            status = 422
    back = rendered_back(signed_in(request), preview.then) if preview.is_possible else None
    context = {"preview": preview, "back": back, "form": form, "form_action": request.path,
               "back_url": undoing.back_url, "danger": True, "button": undoing.button}  # fmt: skip
    return respond(request, undoing.template, context, status=status)


def _undo_form(preview: RollbackPage | ReturnPage, data: Mapping[str, Any] | None) -> RollBack:
    return RollBack(
        data,
        confirm_name=preview.confirm_name,
        confirmers=preview.gate.confirmers if preview.gate else (),
        initial={"idempotency_key": new_key(), **preview.shown},
    )


def _undone(request: HttpRequest, undoing: _Undoing, data: dict[str, Any]) -> str:
    made = undoing.act({"tip": data["tip"], "environments": data["environments"]})
    return _declared(request, signed_in(request), made, data)


def _declared(request: HttpRequest, user: User, change: ChangeRequest, data: dict[str, Any]) -> str:
    """The page of ``change``, with an emergency of it where one was asked for; a refusal leaves the change, and is told."""
    reason = data.get("emergency", "").strip()
    if reason:
        try:
            reviews.declare_emergency(user, change=change, reason=reason, incident=data.get("incident", ""))
        except PortalError as problem:
            messages.warning(request, f"No emergency was declared: {problem.message}")
    return f"/changes/{change.number}/"
