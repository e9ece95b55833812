"""Runbooks, read from Git."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from apps.policies.config import standard_words
from apps.presentation import markdown
from apps.runbooks import queries
from apps.web.people import signed_in
from apps.web.responding import reads, respond


@reads
def index(request: HttpRequest) -> HttpResponse:
    return respond(request, "web/runbooks/list.html", {"shelves": queries.shelves(signed_in(request))})


@reads
def show(request: HttpRequest, repository: str, slug: str) -> HttpResponse:
    found = queries.read_runbook(signed_in(request), repository, slug)
    standards = [(one.name, standard_words(one)) for one in found.standards]
    context = {"page": found, "html": markdown.to_html(found.source), "standards": standards}
    return respond(request, "web/runbooks/show.html", context)
