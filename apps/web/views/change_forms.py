"""Forms around a change: ask, attach, edit, retarget, withdraw, close, ask a person."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse

from apps.accounts.models import User
from apps.changes import access, services
from apps.changes.models import ChangeRequest
from apps.core.verdict import ALLOWED, Verdict
from apps.presentation import choices
from apps.presentation.change_frame import change_frame
from apps.repositories import access as repositories
from apps.repositories.models import Repository
from apps.repositories.queries import visible
from apps.reviews import access as review_access
from apps.reviews import services as reviews
from apps.web.forms.base import attempt
from apps.web.forms.changes import (
    Assign,
    AttachBranch,
    DescribeChange,
    GiveReason,
    NewChange,
    Retarget,
    SayWhy,
)
from apps.web.once import act_once, new_key
from apps.web.people import named, signed_in
from apps.web.responding import page, respond, see_other


def _chosen(request: HttpRequest, offered: list[Repository]) -> Repository | None:
    """The repository named in the address or the form; the only one there is needs no naming."""
    name = request.POST.get("repository") or request.GET.get("repository") or ""
    if not name and len(offered) == 1:
        return offered[0]
    return next((repository for repository in offered if repository.name == name), None)


@page("GET", "HEAD", "POST")
def new(request: HttpRequest) -> HttpResponse:
    """Ask for a change, or start one from a branch that was pushed."""
    user = signed_in(request)
    offered = list(visible(user))
    repository = _chosen(request, offered)
    context: dict[str, Any] = {"repositories": offered, "repository": repository}
    if repository is None:
        return respond(request, "web/changes/new.html", context)
    repositories.require_ask(user, repository)
    names = choices.branch_names(repository)
    initial = {"source_branch": request.GET.get("branch", ""), "idempotency_key": new_key()}
    form = NewChange(request.POST or None, initial=initial, branches=names, default_branch=repository.default_branch)
    context["form"] = form
    if request.method != "POST":
        return respond(request, "web/changes/new.html", context)
    url = attempt(form, lambda: act_once(request, lambda: _create(user, repository, form)))
    if url is None:
        return respond(request, "web/changes/new.html", context, status=422)
    return see_other(request, url)


def _create(user: User, repository: Repository, form: NewChange) -> str:
    data = form.cleaned_data
    made = services.create_change(
        user,
        repository=repository,
        title=data["title"],
        description=data["description"],
        source_branch=data["source_branch"],
        target_branch=data["target_branch"] or repository.default_branch,
        draft=data["draft"],
    )
    return f"/changes/{made.number}/"


Act = Callable[[User, ChangeRequest, dict[str, Any]], object]
Words = dict[str, Any]


def form_page(
    request: HttpRequest,
    number: int,
    *,
    may: Callable[[User, ChangeRequest], Verdict],
    make: Callable[[ChangeRequest], forms.Form],
    act: Act,
    words: Words,
) -> HttpResponse:
    """One form about one change: show it, or do it and show the change again; 422 shows it with its problems.

    Who may not do it is told so before anything is typed; the service decides again.
    """
    user = signed_in(request)
    frame = change_frame(user, number)
    may(user, frame.change).require_or_conflict()
    form = make(frame.change)
    status = 200
    if request.method == "POST":
        data = form.cleaned_data if form.is_valid() else {}
        if attempt(form, lambda: act(user, frame.change, data) or True):
            return see_other(request, f"/changes/{number}/", words["done"])
        status = 422
    context = {"frame": frame, "form": form, "form_action": request.path, **words}
    return respond(request, "web/changes/form.html", context, status=status)


@page("GET", "HEAD", "POST")
def edit(request: HttpRequest, number: int) -> HttpResponse:
    return form_page(
        request,
        number,
        may=access.can_edit,
        make=lambda change: DescribeChange(
            request.POST or None, initial={"title": change.title, "description": change.description}
        ),
        act=lambda user, change, data: services.edit_change(user, change=change, **data),
        words={"heading": "Edit title and description", "button": "Save", "done": "Saved."},
    )


@page("GET", "HEAD", "POST")
def attach(request: HttpRequest, number: int) -> HttpResponse:
    return form_page(
        request,
        number,
        may=access.can_attach,
        make=lambda change: AttachBranch(request.POST or None, branches=choices.source_branches(change)),
        act=lambda user, change, data: services.attach_branch(user, change=change, **data),
        words={
            "heading": "Attach a branch",
            "button": "Attach this branch",
            "done": "The branch is attached.",
            "hint": f"A pushed branch called change/CHG-{number}-… or a commit with the line "
            f"“Change-Request: CHG-{number}” attaches itself.",
        },
    )


@page("GET", "HEAD", "POST")
def retarget(request: HttpRequest, number: int) -> HttpResponse:
    return form_page(
        request,
        number,
        may=access.can_retarget,
        make=lambda change: Retarget(request.POST or None, branches=choices.target_branches(change)),
        act=lambda user, change, data: services.retarget(user, change=change, **data),
        words={
            "heading": "Merge into another branch",
            "button": "Change the target branch",
            "done": "The target branch is changed; a new revision shows the difference to it.",
        },
    )


@page("GET", "HEAD", "POST")
def withdraw(request: HttpRequest, number: int) -> HttpResponse:
    return form_page(
        request,
        number,
        may=access.can_withdraw,
        make=lambda change: GiveReason(request.POST if request.method == "POST" else None),
        act=lambda user, change, data: services.withdraw(user, change=change, **data),
        words={
            "heading": "Withdraw this change",
            "button": "Withdraw the change",
            "done": "Withdrawn. It can be reopened.",
            "danger": True,
            "hint": "Nobody is asked any more, and nothing is merged. The branch in Git stays as it is.",
        },
    )


@page("GET", "HEAD", "POST")
def close(request: HttpRequest, number: int) -> HttpResponse:
    return form_page(
        request,
        number,
        may=access.can_close,
        make=lambda change: SayWhy(request.POST or None),
        act=lambda user, change, data: services.close_change(user, change=change, **data),
        words={
            "heading": "Close this change",
            "button": "Close the change",
            "done": "Closed.",
            "hint": "For a merged change whose remaining deployments are not wanted.",
        },
    )


@page("GET", "HEAD", "POST")
def assignments(request: HttpRequest, number: int) -> HttpResponse:
    return form_page(
        request,
        number,
        may=review_access.can_assign,
        make=lambda change: Assign(request.POST or None),
        act=lambda user, change, data: reviews.assign(
            user, change=change, user=named(data["user"]), reason=data["reason"]
        ),
        words={
            "heading": "Ask a person",
            "button": "Ask",
            "done": "Asked. It comes into that person's queue where their word is needed.",
            "people": choices.people_of(number),
        },
    )


@page("GET", "HEAD", "POST")
def override(request: HttpRequest, number: int) -> HttpResponse:
    """Let the change through the freeze or the windows that hold it; ``?environment=`` for its deployment there."""
    environment = request.GET.get("environment", "")
    where = f" of the deployment to {environment}" if environment else ""
    is_tried = request.method == "POST"
    return form_page(
        request,
        number,
        # A try by somebody who may not is on record; the service writes it, so it must not be turned away before.
        may=lambda user, change: ALLOWED if is_tried else review_access.can_comment(user, change),
        make=lambda change: SayWhy(request.POST or None),
        act=lambda user, change, data: reviews.override_window(
            user, change=change, stage="deploy" if environment else "merge", environment=environment, **data
        ),
        words={
            "heading": "Let it through the window",
            "button": "Override",
            "done": "Overridden. It is recorded with your reason, and lasts a day.",
            "danger": True,
            "hint": f"Every freeze and window that holds the gate{where} now is overridden, for what the change is now. "
            "portal.yaml names who may.",
        },
    )
