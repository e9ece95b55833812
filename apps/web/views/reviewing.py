"""Submitting a review. The form stands first on the page of the difference; this is where it is sent."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from apps.accounts.models import User
from apps.changes import queries as changes
from apps.changes.models import ChangeRequest
from apps.core.errors import Conflict
from apps.presentation.attested import displayed_by
from apps.presentation.change_frame import change_frame
from apps.presentation.review_form import review_panel
from apps.presentation.undisplayed import named_parts
from apps.reviews import services
from apps.reviews.marks import revision_marks
from apps.web.forms.base import attempt
from apps.web.forms.reviews import Review, review_form
from apps.web.once import act_once
from apps.web.people import signed_in
from apps.web.responding import page, respond, see_other, writes
from apps.web.sessions import has_just_signed_in

SAID = {
    "approve": "Your approval of r{0} is recorded.",
    "request_changes": "Your request for changes of r{0} is recorded.",
    "comment": "Your comment on r{0} is recorded.",
}


@page("GET", "HEAD", "POST")
def reviews(request: HttpRequest, number: int) -> HttpResponse:
    """POST: submit. GET: where a reloaded page of a refused review ends up, the difference."""
    if request.method != "POST":
        return see_other(request, f"/changes/{number}/diff/#review")
    user = signed_in(request)
    change = changes.find(user, number)
    form = review_form(change, data=request.POST)
    try:
        url = attempt(form, lambda: act_once(request, lambda: _submit(request, user, change, form)))
    except Conflict as problem:
        if problem.code != "stale_revision":
            raise
        return _again(request, number, form, 409, stale=problem)
    if url is None:
        return _again(request, number, form, 422)
    data = form.cleaned_data
    return see_other(request, url, SAID[data["verdict"]].format(data["revision"]))


def _submit(request: HttpRequest, user: User, change: ChangeRequest, form: Review) -> str:
    data = form.cleaned_data
    services.submit_review(
        user,
        change=change,
        revision=data["revision"],
        verdict=data["verdict"],
        body=data["body"],
        stage=data["stage"] or "merge",
        environment=data["environment"],
        displayed=displayed_by(
            change, data["revision"], view=data["view"], report=data["displayed"], compared=data["compared"]
        ),
        reauthenticated=has_just_signed_in(request),
        rollback=data["rollback"],
    )
    return f"/changes/{change.number}/{'deployments/' if data['stage'] == 'deploy' else ''}"


def _again(
    request: HttpRequest, number: int, form: Review, status: int, *, stale: Conflict | None = None
) -> HttpResponse:
    """The form with everything that was typed; a stale one names the new revision and links what moved."""
    user = signed_in(request)
    frame = change_frame(user, number)
    current = frame.change.revision.number if frame.change.revision else 0
    seen = form.data.get("revision", "")
    if stale is not None:
        # Nothing of the new revision stands on this page, so nothing of it counts as displayed.
        kept = {name: form.data.get(name, "") for name in form.fields}
        new = {
            "revision": str(current),
            "idempotency_key": "",
            "view": "",
            "displayed": "",
            "compared": "",
            "rollback": "",
        }
        form = review_form(frame.change, data={**kept, **new})
    revision = frame.change.revision
    marks = revision_marks(user, frame.change, revision) if revision else None
    context = {
        "frame": frame,
        "form": form,
        "panel": review_panel(user, frame.change, marks, frame.own),
        "stale": stale,
        "seen": seen,
        "current": current,
        "page": named_parts(frame.change),
        "page_url": f"{frame.url}diff/",
    }
    return respond(
        request, "web/changes/review_again.html", context, fragment="web/changes/_review_form.html", status=status
    )


@writes
def withdraw(request: HttpRequest, number: int, review: int) -> HttpResponse:
    """Take back an own approval or request for changes."""
    user = signed_in(request)
    row = services.withdraw_review(user, change=changes.find(user, number), review=review)
    what = "approval" if row.verdict == "approve" else "request for changes"
    return see_other(request, f"/changes/{number}/approvals/", f"Your {what} of {row.revision.label} is withdrawn.")
