"""Help: shortcuts, and the gallery of components."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from apps.presentation.gallery import sample
from apps.web.responding import reads, respond

SHORTCUTS = (
    ("Everywhere", (("?", "Show these shortcuts"), ("/", "Search"), ("g q", "Queue"), ("g c", "Changes"),
                    ("g d", "Deploys"), ("g e", "Environments"), ("g a", "Audit"), ("Esc", "Close, back to where you were"))),
    ("Lists", (("j / k", "Next, previous row"), ("o or Enter", "Open the row"), ("u", "Up to the list"))),
    ("A change", (("1 … 8", "Tab"), ("r", "Finish the review"), ("Ctrl+Enter", "Send the form"))),
    ("Differences", (("n / p", "Next, previous changed block"), ("] / [", "Next, previous file"), ("z", "Fold the file"),
                     ("t", "Filter the files"), ("c", "Comment on the chosen line"), ("m", "Unified or side by side"))),
    ("Logs", (("f", "Follow the end"), ("Shift+E", "Next error"), ("l", "Copy the link of the line"))),
)  # fmt: skip


@reads
def shortcuts(request: HttpRequest) -> HttpResponse:
    return respond(request, "web/help/shortcuts.html", {"groups": SHORTCUTS})


@reads
def gallery(request: HttpRequest) -> HttpResponse:
    """Every status word and component in the present look, on sample data."""
    return respond(request, "help/ui.html", {"sample": sample()})
