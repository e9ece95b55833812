"""The links above a log: all lines, warnings and errors, errors alone. Each is an address, so that it can be sent."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from apps.presentation.deployment_page import DeploymentPage
from apps.presentation.log_pages import Look

LABELS = (("", "All"), ("warnings", "Warnings and errors"), ("errors", "Errors"))


@dataclass(frozen=True, slots=True)
class Filter:
    """One link; ``is_on``: what is shown now."""

    show: str
    label: str
    url: str
    is_on: bool


def filters_of(page: DeploymentPage, look: Look) -> list[Filter]:
    return [Filter(show, label, _url(page, show), show == look.show) for show, label in LABELS]


def _url(page: DeploymentPage, show: str) -> str:
    wanted: dict[str, object] = {"attempt": page.attempt} if page.is_fixed else {}
    query = urlencode(wanted | ({"show": show} if show else {}))
    return f"{page.url}?{query}" if query else page.url
