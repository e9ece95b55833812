"""Public pages of environments, as strangers and maintainers find them."""

from __future__ import annotations

from apps.core.errors import NotVisible
from apps.deployments.models import Environment, StatusPage


def public_page(slug: str) -> StatusPage:
    """The page at this address. :class:`NotVisible`, always in the same words, when there is none, when it is off, and when the
    policy no longer defines the environment."""
    rows = StatusPage.objects.filter(slug=slug, is_on=True, environment__defined=True)
    row = rows.select_related("environment__repository").first()
    if row is None:
        raise NotVisible("not_found", "There is nothing here that you can see.")
    return row


def status_page_of(environment: Environment) -> StatusPage | None:
    """On or off; ``None``: nobody has set one up."""
    return StatusPage.objects.filter(environment=environment).first()
