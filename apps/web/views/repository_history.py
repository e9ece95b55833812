"""The history of a branch or path, and who last changed each line of a file."""

from __future__ import annotations

from urllib.parse import parse_qs

from django.http import HttpRequest, HttpResponse

from apps.presentation.blame_pages import blame_page
from apps.presentation.history_pages import Place, history_page, place_of
from apps.web.people import signed_in
from apps.web.responding import reads, respond


def _asked(request: HttpRequest) -> dict[str, str]:
    """The query, with bytes of paths that are no UTF-8 kept as they are."""
    found = parse_qs(request.META.get("QUERY_STRING", ""), errors="surrogateescape", max_num_fields=20)
    return {name: values[-1] for name, values in found.items()}


def _start(asked: dict[str, str]) -> int:
    text = asked.get("start", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _place(request: HttpRequest, name: str, asked: dict[str, str]) -> Place:
    return place_of(signed_in(request), name, ref=asked.get("ref", ""), path=asked.get("path", ""))


@reads
def history(request: HttpRequest, name: str) -> HttpResponse:
    asked = _asked(request)
    page = history_page(_place(request, name, asked), at=asked.get("at", ""), start=_start(asked))
    return respond(request, "web/repositories/history.html", {"page": page, "place": page.place})


@reads
def blame(request: HttpRequest, name: str) -> HttpResponse:
    """The lines at once, with the names that are known by then."""
    return _blame(request, name, patient=False)


@reads
def blame_rows(request: HttpRequest, name: str) -> HttpResponse:
    """The same with every name: for htmx the table alone."""
    return _blame(request, name, patient=True)


def _blame(request: HttpRequest, name: str, *, patient: bool) -> HttpResponse:
    asked = _asked(request)
    page = blame_page(_place(request, name, asked), start=_start(asked), patient=patient)
    context = {"page": page, "place": page.place}
    return respond(
        request, "web/repositories/blame.html", context, fragment="web/repositories/_blame.html" if patient else ""
    )
