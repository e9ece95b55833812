"""Help: shortcuts, and the gallery of components."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from apps.presentation.gallery import sample
from apps.web.responding import reads, respond


@reads
def shortcuts(request: HttpRequest) -> HttpResponse:
    """The table as this person has it; ``shortcuts`` is part of every page's frame."""
    return respond(request, "web/help/shortcuts.html")


@reads
def gallery(request: HttpRequest) -> HttpResponse:
    """Every status word and component in the present look, on sample data."""
    return respond(request, "help/ui.html", {"sample": sample()})
