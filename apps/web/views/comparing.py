"""Two environments beside each other, or one at two times."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, QueryDict

from apps.core.errors import InvalidInput
from apps.deployments import services
from apps.deployments.queries.comparing import source_patch
from apps.presentation.compared_files import compared_files
from apps.presentation.comparison_page import Asked, compared_of, comparison_page, refused_page, wrong_moments
from apps.web.people import signed_in
from apps.web.responding import page, reads, respond, see_other

REGION = "web/environments/_compared.html"


def _asked(values: QueryDict) -> Asked:
    return Asked(*(values.get(name, "").strip()[:160] for name in ("from", "to", "at", "to_at")))


@reads
def compare(request: HttpRequest) -> HttpResponse:
    """The page. It only shows: what is not rendered is asked for with a button. A moment that is none is told at its field."""
    user, asked = signed_in(request), _asked(request.GET)
    problems = wrong_moments(asked)
    found = refused_page(user, asked, problems) if problems else comparison_page(user, asked)
    return respond(request, "web/environments/compare.html", {"page": found}, status=422 if problems else 200)


@reads
def targets(request: HttpRequest) -> HttpResponse:
    """The rendered part, fetched again while it is being rendered."""
    context = {"page": comparison_page(signed_in(request), _asked(request.GET))}
    return respond(request, "web/environments/compare.html", context, fragment=REGION)


@reads
def files(request: HttpRequest) -> HttpResponse:
    """The files that differ, line by line."""
    page_ = compared_files(signed_in(request), _asked(request.GET))
    return respond(request, "web/environments/compare_files.html", {"page": page_})


@reads
def source(request: HttpRequest) -> HttpResponse:
    """The difference of the files as one text."""
    compared = compared_of(signed_in(request), _asked(request.GET))
    response = HttpResponse(source_patch(compared), content_type="text/plain; charset=utf-8")
    response["X-Content-Type-Options"] = "nosniff"
    return response


@page("GET", "HEAD", "POST")
def render_targets(request: HttpRequest) -> HttpResponse:
    """POST: let what is not rendered yet be rendered. GET: where a reloaded form ends up."""
    asked = _asked(request.POST if request.method == "POST" else request.GET)
    url = f"/environments/compare/?{asked.query}"
    if request.method != "POST":
        return see_other(request, url)
    if not asked.start:
        raise InvalidInput("bad_side", "Name two environments to compare.", field="from")
    user = signed_in(request)
    count = services.ask_comparison(user, compared=compared_of(user, asked))
    said = f"{count} target{'s are' if count != 1 else ' is'} being rendered." if count else "Everything is rendered."
    return see_other(request, f"{url}#rendered", said)
