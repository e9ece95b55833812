"""Ways to read a whole difference: find a text in it, see what changes alike, load all of it at once."""

from __future__ import annotations

from urllib.parse import parse_qsl

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.http.response import HttpResponseBase

from apps.changes import queries as changes
from apps.core.errors import TooLarge
from apps.diffs.find import MOST_CHARS, MOST_HITS, needle
from apps.diffs.pages import stream_whole
from apps.presentation import diff_find
from apps.presentation import diff_pages as pages
from apps.presentation.chunks import in_chunks
from apps.presentation.history_pages import file_address
from apps.presentation.undisplayed import NAMED
from apps.presentation.undisplayed import undisplayed as parts_not_displayed
from apps.presentation.viewed_marks import page_marks, personal, viewed_button
from apps.web.diff_address import sides_in, view_in
from apps.web.people import signed_in
from apps.web.responding import reads, respond, wants_fragment


@reads
def find(request: HttpRequest, number: int) -> HttpResponse:
    """Lines and names that hold ``?q=``, by file; each is a link that opens its file at that line."""
    user = signed_in(request)
    sides = sides_in(request, user, number)
    found = diff_find.search(sides, needle(request.GET.get("q", "")), same_case=request.GET.get("case") == "1")
    view = view_in(request, remembered=True)
    context = {
        "number": number,
        "search": found,
        "fields": parse_qsl(sides.query),
        "view": view,
        "page_url": f"/changes/{number}/diff/?{sides.query}&view={view}",
        "most": MOST_HITS,
        "most_chars": MOST_CHARS,
    }
    return respond(request, "web/changes/diff_find.html", context, fragment="web/changes/_diff_find.html")


@reads
def classes(request: HttpRequest, number: int) -> HttpResponse:
    """Which files change alike, outliers first."""
    sides = sides_in(request, signed_in(request), number)
    partial = "web/changes/_diff_classes.html"
    context = {
        "number": number,
        "classes": diff_find.classes(sides),
        "compared": True,
        "region": partial,
        "page_url": f"/changes/{number}/diff/?{sides.query}",
    }
    return respond(request, "web/changes/region.html", context, fragment=partial)


@reads
def file_page(request: HttpRequest, number: int, file_id: str, *, page: str) -> HttpResponse:
    """On to the ``history`` or ``blame`` of one file: by id, for its path may be nothing that a page can write."""
    return HttpResponseRedirect(file_address(sides_in(request, signed_in(request), number), file_id, page))


@reads
def undisplayed(request: HttpRequest, number: int) -> HttpResponse:
    """What is not displayed by itself, for a page that was sent before its lines were counted."""
    sides = sides_in(request, signed_in(request), number)
    parts = parts_not_displayed(pages.counted_listing(sides))
    partial = "web/changes/_not_displayed.html"
    context = {
        "number": number,
        "parts": parts[:NAMED],
        "total": len(parts),
        "counted": True,
        "region": partial,
        "page_url": f"/changes/{number}/diff/?{sides.query}",
    }
    return respond(request, "web/changes/region.html", context, fragment=partial)


@reads
def everything(request: HttpRequest, number: int) -> HttpResponseBase:
    """All files with all their rows for a page that is open already, sent while they are made.

    What is closed stays closed, with its reason. A change of the third tier is more than such a page can bear; without
    scripts the way leads to the page that has everything.
    """
    user = signed_in(request)
    change = changes.find_revised(user, number)
    sides = sides_in(request, user, number)
    if not wants_fragment(request):
        return HttpResponseRedirect(f"/changes/{number}/diff/whole/?{sides.query}&view={view_in(request)}")
    found = pages.counted_listing(sides)
    plan = pages.plan_of(sides, found)
    if plan.folders:
        message = "This difference is too large for one page. Read it file by file, or download the .patch."
        links = [("Download the .patch", f"/changes/{number}/diff.patch?{sides.query}")]
        raise TooLarge("difference_too_large", message, links=links)
    options = pages.options_of(sides, view_in(request, remembered=True))
    marks = page_marks(user, change, sides, found.files)
    patches = pages.file_patches(sides, list(found.files))
    sections = stream_whole(plan, patches, options=options, tools=viewed_button)
    rows = (personal(section, marks) for section in sections)
    return StreamingHttpResponse(in_chunks(b"", rows, b""), content_type="text/html; charset=utf-8")
