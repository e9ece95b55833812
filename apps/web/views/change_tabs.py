"""The tabs of a change that only show: approvals, deployments, history."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from apps.audit.queries import EntryFilter, entries
from apps.changes.models import ChangeRequest
from apps.changes.queries import present_checks
from apps.core.errors import NotVisible
from apps.presentation.approvals import approvals_page
from apps.presentation.change_frame import change_frame, deployments_of
from apps.presentation.change_history import history_rows
from apps.presentation.deploy_page import deploy_places
from apps.presentation.overrides import override_rows
from apps.presentation.policy_change import policy_change
from apps.presentation.reviewers import EVERYBODY, reviewers_panel
from apps.web.people import signed_in
from apps.web.responding import reads, respond

MOST_DEPLOYMENTS = 100
"""Of one change, the newest, on its page."""


@reads
def approvals(request: HttpRequest, number: int) -> HttpResponse:
    user = signed_in(request)
    frame = change_frame(user, number, tab="approvals")
    page = approvals_page(user, frame.change)
    context = {
        "frame": frame,
        "page": page,
        "verdict": page.verdict,
        "change": frame.change,
        "panel": reviewers_panel(user, frame.change),
        "overrides": override_rows(user, frame.change),
    }
    return respond(request, "web/changes/approvals.html", context)


@reads
def reviewers(request: HttpRequest, number: int) -> HttpResponse:
    """Everybody who was considered, however many: why they are asked, and why not."""
    user = signed_in(request)
    frame = change_frame(user, number, tab="approvals")
    context = {"frame": frame, "change": frame.change, "panel": reviewers_panel(user, frame.change, shown=EVERYBODY)}
    return respond(request, "web/changes/reviewers.html", context)


@reads
def checks(request: HttpRequest, number: int) -> HttpResponse:
    """What pipelines reported of the present merge result."""
    frame = change_frame(signed_in(request), number, tab="checks")
    context = {"frame": frame, "rows": present_checks(frame.change)}
    return respond(request, "web/changes/checks.html", context, fragment="web/changes/_check_rows.html")


@reads
def policy(request: HttpRequest, number: int) -> HttpResponse:
    """What a change of the policy says otherwise, and what it would have blocked."""
    frame = change_frame(signed_in(request), number, tab="policy")
    found = policy_change(frame.change)
    if found is None:
        raise NotVisible("no_policy", f"{frame.change.label} does not change the policy.")
    return respond(request, "web/changes/policy.html", {"frame": frame, "page": found})


@reads
def deployments(request: HttpRequest, number: int) -> HttpResponse:
    frame = change_frame(signed_in(request), number, tab="deployments")
    rows = deployments_of(frame.change)[-MOST_DEPLOYMENTS:][::-1]
    places = deploy_places(frame.change, frame.deployments) if frame.viewer.deploys else ()
    rollbacks = ChangeRequest.objects.filter(rolls_back=frame.change).order_by("-number")
    by_hand = sum(row.status == "pending" and row.manual_start for row in rows) if frame.viewer.deploys else 0
    context = {"frame": frame, "rows": rows, "places": places, "rollbacks": rollbacks, "waiting": by_hand}
    return respond(request, "web/changes/deployments.html", context, fragment="web/changes/_deployment_rows.html")


@reads
def history(request: HttpRequest, number: int) -> HttpResponse:
    """The audit entries of this change, newest first. Who sees the change sees what was done to it."""
    frame = change_frame(signed_in(request), number, tab="history")
    after = request.GET.get("after", "")
    found = entries(EntryFilter(change=number), after_seq=int(after) if after.isdigit() else None)
    context = {"frame": frame, "rows": history_rows(found.items), "next_after": found.next_after}
    return respond(request, "web/changes/history.html", context, fragment="web/changes/_history.html")
