"""The difference of a change: the review form first, the file list, the first rows, the rest by itself."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.safestring import mark_safe

from apps.accounts.models import User
from apps.changes import queries as changes
from apps.core.errors import NotVisible
from apps.diffs import DIFF_VERSION
from apps.diffs.fragments import FIRST_ROWS, window_etag
from apps.diffs.tiers import SHELLS_PER_PAGE
from apps.presentation import diff_pages as pages
from apps.presentation.change_frame import ChangeFrame, change_frame
from apps.presentation.diff_sides import Sides, sides_of
from apps.presentation.diff_view import diff_view
from apps.presentation.review_form import review_panel
from apps.reviews.access import can_comment
from apps.vcs import trees
from apps.web.forms.reviews import OpenThread, Review
from apps.web.once import new_key
from apps.web.people import signed_in
from apps.web.responding import reads, respond, wants_fragment

FOR_EVER = "private, max-age=31536000, immutable"


def _number(request: HttpRequest, name: str) -> int:
    text = request.GET.get(name, "")
    return int(text) if text.isdigit() and len(text) < 10 else 0


def _chosen_view(request: HttpRequest) -> str:
    return "split" if request.GET.get("view") == "split" else "unified"


def _sides(request: HttpRequest, user: User, number: int) -> Sides:
    found = sides_of(changes.find_revised(user, number), request.GET.get("from", ""), request.GET.get("to", ""))
    if found is None:
        raise NotVisible("no_revision", f"CHG-{number} has no code yet.")
    return found


@reads
def diff(request: HttpRequest, number: int) -> HttpResponse:
    """The page; for htmx the file list and the first rows alone."""
    user = signed_in(request)
    if wants_fragment(request):
        return _columns(request, user, number)
    frame = change_frame(user, number, tab="diff")
    sides = sides_of(frame.change, request.GET.get("from", ""), request.GET.get("to", ""))
    if sides is None:
        return respond(request, "web/changes/diff_empty.html", {"frame": frame})
    options = pages.options_of(sides, _chosen_view(request), long_lines=request.GET.get("long") == "1")
    found = pages.listing(sides)
    alone = request.GET.get("file", "")
    if alone:
        html = pages.file_section(sides, found.find(alone), options, start=_number(request, "start"))
    else:
        html = pages.first_sections(sides, found, options)
    context = {
        "frame": frame,
        "number": number,
        "page": diff_view(frame.change, sides, found, options, alone=alone, start=_number(request, "start")),
        "sections": mark_safe(html.decode()),  # noqa: S308  # written and escaped by apps.diffs
        **_forms(user, frame, sides),
    }
    return respond(request, "web/changes/diff.html", context)


def _columns(request: HttpRequest, user: User, number: int) -> HttpResponse:
    change = changes.find_revised(user, number)
    sides = sides_of(change, request.GET.get("from", ""), request.GET.get("to", ""))
    if sides is None:
        raise NotVisible("no_revision", f"CHG-{number} has no code yet.")
    options = pages.options_of(sides, _chosen_view(request))
    found = pages.listing(sides)
    html = pages.first_sections(sides, found, options)
    context = {
        "number": number,
        "page": diff_view(change, sides, found, options, with_choices=False),
        "sections": mark_safe(html.decode()),  # noqa: S308  # written and escaped by apps.diffs
    }
    partial = "web/changes/_diff_columns.html"
    return respond(request, partial, context, fragment=partial)


def _forms(user: User, frame: ChangeFrame, sides: Sides) -> dict[str, Any]:
    revision = sides.revision.number
    initial = {"revision": revision, "idempotency_key": new_key()}
    return {
        "form": Review(initial=initial),
        "panel": review_panel(user, frame.change),
        "may_comment": can_comment(user, frame.change).allowed,
        "line_form": OpenThread(initial={**initial, "idempotency_key": new_key()}, auto_id="line-%s"),
        "is_current": frame.change.revision is not None and frame.change.revision.number == revision,
    }


@reads
def file_rows(request: HttpRequest, number: int, file_id: str) -> HttpResponse:
    """One file, or the next rows of it. Its address names both trees' revisions, so the answer never changes."""
    sides = _sides(request, signed_in(request), number)
    change = pages.listing(sides).find(file_id)
    options = pages.options_of(sides, _chosen_view(request), long_lines=request.GET.get("long") == "1")
    start = _number(request, "start")
    tag = window_etag(change, options, start, FIRST_ROWS)
    named = request.GET.get("to") == sides.revision.label and request.GET.get("v") == str(DIFF_VERSION)
    if request.headers.get("If-None-Match") == tag:
        response = HttpResponse(status=304)
    else:
        response = HttpResponse(pages.file_body(sides, change, options, start=start))
    response["ETag"] = tag
    response["Cache-Control"] = FOR_EVER if named else "private, no-cache"
    return response


@reads
def more_shells(request: HttpRequest, number: int) -> HttpResponse:
    """The next page of files of a difference that has more than one page holds."""
    sides = _sides(request, signed_in(request), number)
    options = pages.options_of(sides, _chosen_view(request))
    found = pages.listing(sides)
    start = _number(request, "start")
    following = start + SHELLS_PER_PAGE
    context = {
        "sections": mark_safe(pages.shells(sides, found, options, start).decode()),  # noqa: S308  # by apps.diffs
        "next_start": following if following < len(found.files) else None,
        "left": len(found.files) - following,
        "query": sides.query,
        "number": number,
        "view": options.view,
    }
    return respond(request, "web/changes/diff_shells.html", context, fragment="web/changes/_diff_shells.html")


@reads
def counts(request: HttpRequest, number: int) -> HttpResponse:
    """The file list with counts, and what is not displayed: computed after the first response of a large change."""
    sides = _sides(request, signed_in(request), number)
    options = pages.options_of(sides, _chosen_view(request))
    change = changes.find(signed_in(request), number)
    partial = "web/changes/_diff_files.html"
    page = diff_view(change, sides, pages.counted_listing(sides), options, long_list=True)
    context = {"page": page, "number": number, "region": partial}
    return respond(request, "web/changes/region.html", context, fragment=partial)


@reads
def patch(request: HttpRequest, number: int) -> HttpResponse:
    """What ``git diff`` prints for the two trees, byte by byte."""
    sides = _sides(request, signed_in(request), number)
    data = trees.patch(sides.git_dir, sides.old, sides.new)
    since = sides.since.label if sides.since else "base"
    response = HttpResponse(data, content_type="text/x-diff; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="CHG-{number}-{since}-{sides.revision.label}.patch"'
    return response
