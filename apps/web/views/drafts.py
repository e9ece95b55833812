"""What a person has typed and not said yet: kept on the server, seen by nobody else."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from apps.accounts.models import User
from apps.changes import queries as changes
from apps.core.errors import NotVisible
from apps.presentation.change_frame import change_frame
from apps.reviews import services
from apps.reviews.drafts import drafts_of
from apps.reviews.models import DraftComment, Thread
from apps.web.forms.reviews import Draft
from apps.web.people import signed_in
from apps.web.responding import page, respond, wants_fragment, writes
from apps.web.views.threads import checked, finished, place_in


@page("GET", "HEAD", "POST")
def drafts(request: HttpRequest, number: int) -> HttpResponse:
    """GET: all own drafts on the change. POST: save one; a script does so while a person types."""
    user = signed_in(request)
    if request.method == "POST":
        return _save(request, user, number)
    frame = change_frame(user, number)
    rows = drafts_of(user, frame.change).select_related("revision", "thread")
    return respond(request, "web/changes/drafts.html", {"frame": frame, "drafts": rows, "number": number})


def _save(request: HttpRequest, user: User, number: int) -> HttpResponse:
    change = changes.find(user, number)
    data = checked(Draft(request.POST))
    place = {} if data["thread"] else place_in(change, data)
    saved = services.save_draft(
        user,
        change=change,
        body=data["body"],
        kind=str(data["kind"] or Thread.Kind.COMMENT),
        thread=data["thread"],
        pending=data["pending"],
        **place,
    )
    if wants_fragment(request):
        return HttpResponse(status=204)
    word = "gone" if saved is None else "part of your next review" if saved.pending else "saved"
    return finished(request, number, f"/changes/{number}/drafts/", f"Your draft is {word}.")


@writes
def delete(request: HttpRequest, number: int, draft: int) -> HttpResponse:
    user = signed_in(request)
    services.delete_draft(user, draft=_find(user, number, draft))
    return finished(request, number, f"/changes/{number}/drafts/", "The draft is deleted.")


def _find(user: User, number: int, draft: int) -> DraftComment:
    found = drafts_of(user, changes.find(user, number)).filter(pk=draft).first()
    if found is None:
        raise NotVisible("unknown_draft", f"You have no such draft on CHG-{number}.")
    return found
