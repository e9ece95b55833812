"""The difference of a change: the review form first, the file list, the first rows, the rest by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.middleware.csrf import get_token
from django.template.loader import render_to_string
from django.utils.cache import patch_vary_headers
from django.utils.safestring import mark_safe

from apps.accounts.models import User
from apps.changes import queries as changes
from apps.changes.models import ChangeRequest
from apps.core.errors import NotVisible
from apps.diffs import DIFF_VERSION
from apps.diffs.context import Place, context_etag
from apps.diffs.find import MOST_CHARS
from apps.diffs.fragments import Options, window_etag
from apps.diffs.tiers import SHELLS_PER_PAGE
from apps.presentation import diff_pages as pages
from apps.presentation.change_frame import ChangeFrame, change_frame
from apps.presentation.chunks import in_chunks
from apps.presentation.diff_context import context_body
from apps.presentation.diff_find import classes_at_once
from apps.presentation.diff_moves import keys_standing_twice, moved_blocks, names_taken_for_one
from apps.presentation.diff_sides import MINE, Sides
from apps.presentation.diff_threads import diff_threads
from apps.presentation.diff_view import diff_view
from apps.presentation.diff_whole import whole_difference
from apps.presentation.review_form import review_panel
from apps.presentation.revision_bar import news_for, reviewed_before, revision_bar
from apps.presentation.thread_bars import bars_html
from apps.presentation.viewed_marks import ViewedBar, page_marks, personal
from apps.reviews.access import can_comment
from apps.reviews.drafts import drafts_of
from apps.reviews.marks import Marks
from apps.vcs import trees
from apps.web.diff_address import asked_sides, number_in, sides_in, view_in
from apps.web.forms.reviews import OpenThread, review_form
from apps.web.once import new_key
from apps.web.people import signed_in
from apps.web.responding import reads, respond, wants_fragment

MARK = "rows-of-the-whole-difference"
FOR_EVER = "private, max-age=31536000, immutable"


def _alone_options(request: HttpRequest, sides: Sides) -> Options:
    """Options of one file, which may be shown with more lines around its changes, and with a piece of its long lines."""
    piece, context = number_in(request, "long"), number_in(request, "context")
    return pages.options_of(
        sides, view_in(request, remembered=not wants_fragment(request)), piece=piece, context=context
    )


@reads
def diff(request: HttpRequest, number: int) -> HttpResponse:
    """The page; for htmx the file list and the first rows alone."""
    user = signed_in(request)
    if wants_fragment(request):
        return _columns(request, user, number)
    frame = change_frame(user, number, tab="diff")
    sides = asked_sides(request, user, frame.change)
    if sides is None:
        return respond(request, "web/changes/diff_empty.html", {"frame": frame})
    options = _alone_options(request, sides)
    found = pages.listing(sides)
    alone = request.GET.get("file", "")
    start = number_in(request, "start")
    if alone:
        line = request.GET.get("line", "")
        start = pages.window_with(sides, found.find(alone), options, line) if line else start
        html = pages.file_section(sides, found.find(alone), options, start=start)
    else:
        html = pages.first_sections(sides, found, options)
    marks = page_marks(user, frame.change, sides, found.files)
    context = {
        "frame": frame,
        "number": number,
        "page": diff_view(frame.change, sides, found, options, alone=alone, start=start, marks=marks.states()),
        "bar": revision_bar(user, frame.change, sides, asked=request.GET.get("from", "")),
        "viewed": ViewedBar(sides.revision.number, marks, back=request.GET.urlencode()),
        "sections": mark_safe(personal(html, marks).decode()),  # noqa: S308  # written and escaped by apps.diffs
        "find_text": request.GET.get("q", "")[:MOST_CHARS],
        "find_case": request.GET.get("case") == "1",
        **_classes(sides, found),
        **_forms(user, frame, sides, {"view": options.view, "compared": request.GET.get("compared", "")[:8]}, marks),
        **_threads(request, user, frame.change, sides, found),
    }
    return respond(request, "web/changes/diff.html", context)


def _columns(request: HttpRequest, user: User, number: int) -> HttpResponse:
    change = changes.find_revised(user, number)
    sides = asked_sides(request, user, change)
    if sides is None:
        raise NotVisible("no_revision", f"CHG-{number} has no code yet.")
    options = pages.options_of(sides, view_in(request, remembered=True))
    found = pages.listing(sides)
    html = pages.first_sections(sides, found, options)
    marks = page_marks(user, change, sides, found.files)
    context = {
        "number": number,
        "page": diff_view(change, sides, found, options, marks=marks.states()),
        "sections": mark_safe(personal(html, marks).decode()),  # noqa: S308  # written and escaped by apps.diffs
    }
    partial = "web/changes/_diff_columns.html"
    return respond(request, partial, context, fragment=partial)


def _classes(sides: Sides, found: pages.Listing) -> dict[str, Any]:
    """What changes alike, where it can be said at once; the page asks for it later otherwise."""
    classes = classes_at_once(sides, found)
    return {"classes": classes, "compared": classes is not None, "page_url": f"?{sides.query}"}


def _forms(user: User, frame: ChangeFrame, sides: Sides, read: dict[str, str], marks: Marks) -> dict[str, Any]:
    """``read`` is how the change is read, for the review form."""
    revision = sides.revision.number
    initial = {"revision": revision, "idempotency_key": new_key()}
    return {
        "form": review_form(frame.change, {**initial, **read}),
        "panel": review_panel(user, frame.change, marks, frame.own),
        "may_comment": can_comment(user, frame.change).allowed and not sides.upstream,
        "line_form": OpenThread(initial={**initial, "idempotency_key": new_key()}, auto_id="line-%s"),
        "is_current": frame.change.revision is not None and frame.change.revision.number == revision,
    }


def _threads(
    request: HttpRequest, user: User, change: ChangeRequest, sides: Sides, found: pages.Listing
) -> dict[str, Any]:
    """Threads and own drafts, beside the rows: those are shared between people and never change."""
    threads = diff_threads(user, change, sides, found)
    context = {"change": change, "csrf_token": get_token(request)}
    return {
        "threads": threads,
        "bars": bars_html(threads.bars, number=change.number, context=context),
        "elsewhere": bars_html(threads.elsewhere, number=change.number, context=context),
        "pending": drafts_of(user, change).filter(pending=True).select_related("thread"),
    }


@reads
def threads(request: HttpRequest, number: int) -> HttpResponse:
    """The threads of a comparison anew: what a page asks for when somebody said something."""
    user = signed_in(request)
    sides = sides_in(request, user, number)
    change = changes.find(user, number)
    partial = "web/changes/_diff_threads.html"
    context = {**_threads(request, user, change, sides, pages.listing(sides)), "number": number, "region": partial}
    return respond(request, "web/changes/region.html", context, fragment=partial)


@reads
def whole(request: HttpRequest, number: int) -> StreamingHttpResponse:
    """Everything on one page (to print, to search): a stream that is never in memory whole. For htmx the rows alone."""
    user = signed_in(request)
    if wants_fragment(request):
        sides, head, tail = sides_in(request, user, number), b"", b""
    else:
        sides, head, tail = _around_the_rows(request, user, number)
    rows = whole_difference(sides, pages.options_of(sides, view_in(request)))
    response = StreamingHttpResponse(in_chunks(head, rows, tail), content_type="text/html; charset=utf-8")
    patch_vary_headers(response, ["HX-Request"])
    response["Cache-Control"] = "private, no-cache"
    return response


def _around_the_rows(request: HttpRequest, user: User, number: int) -> tuple[Sides, bytes, bytes]:
    """The two halves of the page that the rows stand between."""
    frame = change_frame(user, number, tab="diff")
    sides = asked_sides(request, user, frame.change)
    if sides is None:
        raise NotVisible("no_revision", f"CHG-{number} has no code yet.")
    context = {"frame": frame, "sides": sides, "mark": MARK}
    html = render_to_string("web/changes/diff_whole.html", context, request).encode()
    head, _, tail = html.partition(MARK.encode())
    return sides, head, tail


@reads
def file_rows(request: HttpRequest, number: int, file_id: str) -> HttpResponse:
    """One file, or the next rows of it. Its address names both trees' revisions, so the answer never changes."""
    sides = sides_in(request, signed_in(request), number)
    change = pages.listing(sides).find(file_id)
    options = _alone_options(request, sides)
    line, asked = request.GET.get("line", ""), request.GET.get("auto") != "1"
    start = pages.window_with(sides, change, options, line) if line else number_in(request, "start")
    rows = min(number_in(request, "rows") or options.rows, options.rows)
    tag = window_etag(change, options, start, rows)
    return _immutable(
        request, sides, tag, lambda: pages.file_body(sides, change, options, start=start, rows=rows, asked=asked)
    )


@reads
def context_rows(request: HttpRequest, number: int, file_id: str) -> HttpResponse:
    """Lines around a change that the rows leave out: ``?old=&new=&count=``, as rows of the same view."""
    sides = sides_in(request, signed_in(request), number)
    change = pages.listing(sides).find(file_id)
    options = pages.options_of(sides, view_in(request))
    place = Place(*(number_in(request, name) for name in ("old", "new", "count")))
    tag = context_etag(change, options, place)
    return _immutable(request, sides, tag, lambda: context_body(sides, change, options, place))


def _immutable(request: HttpRequest, sides: Sides, tag: str, body: Callable[[], bytes]) -> HttpResponse:
    """A fragment that never changes under an address that names the revision and our version; 304 asks Git nothing."""
    asked = request.GET
    named = (
        asked.get("to") == sides.revision.label and asked.get("v") == str(DIFF_VERSION) and asked.get("from") != MINE
    )
    fresh = request.headers.get("If-None-Match") == tag
    response = HttpResponse(status=304) if fresh else HttpResponse(body())
    response["ETag"] = tag
    response["Cache-Control"] = FOR_EVER if named else "private, no-cache"
    return response


@reads
def since(request: HttpRequest, number: int) -> HttpResponse:
    """What is new since the reader's last review, in numbers: Git is asked after the page is there."""
    user = signed_in(request)
    change = changes.find(user, number)
    partial = "web/changes/_since.html"
    context = {"change": change, "since": reviewed_before(user, change), "news": news_for(user, change)}
    return respond(request, "web/changes/region.html", {**context, "region": partial}, fragment=partial)


@reads
def more_shells(request: HttpRequest, number: int) -> HttpResponse:
    """The next page of files of a difference that has more than one page holds."""
    user = signed_in(request)
    change = changes.find_revised(user, number)
    sides = sides_in(request, user, number)
    options = pages.options_of(sides, view_in(request))
    found = pages.listing(sides)
    start = number_in(request, "start")
    html = personal(pages.shells(sides, found, options, start), page_marks(user, change, sides, found.files))
    following = start + SHELLS_PER_PAGE
    context = {
        "sections": mark_safe(html.decode()),  # noqa: S308  # written and escaped by apps.diffs
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
    user = signed_in(request)
    change = changes.find_revised(user, number)
    sides = sides_in(request, user, number)
    options = pages.options_of(sides, view_in(request))
    partial = "web/changes/_diff_files.html"
    found = pages.counted_listing(sides)
    marks = page_marks(user, change, sides, found.files)
    page = diff_view(change, sides, found, options, long_list=True, marks=marks.states())
    context = {"page": page, "number": number, "region": partial}
    return respond(request, "web/changes/region.html", context, fragment=partial)


@reads
def moves(request: HttpRequest, number: int) -> HttpResponse:
    """Moved blocks, keys that stand twice and names taken for one, looked for after the first response."""
    sides = sides_in(request, signed_in(request), number)
    partial = "web/changes/_diff_moves.html"
    options = pages.options_of(sides, view_in(request))
    page = f"/changes/{number}/diff/"
    context = {
        "moves": moved_blocks(sides, options, page),
        "twice": keys_standing_twice(sides, options, page),
        "alike": names_taken_for_one(sides, options, page),
        "region": partial,
    }
    return respond(request, "web/changes/region.html", context, fragment=partial)


@reads
def patch(request: HttpRequest, number: int) -> HttpResponse:
    """What ``git diff`` prints for the two trees, byte by byte."""
    sides = sides_in(request, signed_in(request), number)
    data = trees.patch(sides.git_dir, sides.old, sides.new)
    since = sides.since.label if sides.since else "base"
    response = HttpResponse(data, content_type="text/x-diff; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="CHG-{number}-{since}-{sides.revision.label}.patch"'
    return response
