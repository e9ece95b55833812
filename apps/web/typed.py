"""What a person sent and must not lose when it is refused, and the page that they sent it from."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

KEPT = (
    ("title", "Title"),
    ("body", "What you wrote"),
    ("description", "Description"),
    ("reason", "Reason"),
)
"""Free text of our forms: shown again on every refusal, so that it can be copied or sent anew."""


def what_was_typed(request: HttpRequest) -> dict[str, Any]:
    kept = [(label, text) for name, label in KEPT if (text := request.POST.get(name, "").strip())]
    return {"kept": kept, "back": way_back(request)}


def way_back(request: HttpRequest) -> str:
    """The page that an action belongs to: ``/changes/1042/merge/`` → ``/changes/1042/``."""
    match = request.resolver_match
    parts = request.path.strip("/").split("/")
    if match and "number" in match.kwargs and len(parts) > 1:
        return f"/{parts[0]}/{parts[1]}/"
    return "/queue/"
