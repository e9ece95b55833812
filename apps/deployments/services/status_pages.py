"""The public page of an environment: off until a maintainer switches it on."""

from __future__ import annotations

import re
import secrets

from django.db import IntegrityError, transaction

from apps.accounts.models import User
from apps.audit import services as audit
from apps.audit.actors import Actor
from apps.core.clock import now
from apps.core.errors import Conflict, InvalidInput
from apps.deployments import access
from apps.deployments.models import Environment, StatusPage

SLUG = re.compile(r"[a-z0-9][a-z0-9-]{4,61}[a-z0-9]")
UNGUESSABLE = 18
"""Random bytes of an address that nobody chose: more than anybody can try."""


@transaction.atomic
def set_status_page(
    actor: User,
    *,
    environment: Environment,
    is_on: bool,
    slug: str = "",
    shows_titles: bool = False,
    shows_people: bool = False,
) -> StatusPage:
    """Switch the page on or off, and say what strangers read there. Maintainers only.

    ``slug``: the end of the address; empty keeps the present one, or makes one that cannot be guessed.
    :class:`Conflict` ``slug_taken`` when another environment has it.
    """
    access.require_publish_status(actor, environment)
    present = StatusPage.objects.select_for_update(no_key=True).filter(environment=environment).first()
    wanted = _checked(slug) or (present.slug if present else secrets.token_urlsafe(UNGUESSABLE))
    columns = {
        "slug": wanted,
        "is_on": is_on,
        "shows_titles": shows_titles,
        "shows_people": shows_people,
        "updated_at": now(),
        "updated_by": actor,
    }
    try:
        with transaction.atomic():
            row, _ = StatusPage.objects.update_or_create(environment=environment, defaults=columns)
    except IntegrityError:
        said = f"Another status page has the address {wanted}. Choose another one, or leave it empty."
        raise Conflict("slug_taken", said) from None
    _record(actor, environment, row)
    return row


def _checked(slug: str) -> str:
    wanted = slug.strip()
    if wanted and not SLUG.fullmatch(wanted) and not StatusPage.objects.filter(slug=wanted).exists():
        raise InvalidInput(
            "bad_slug",
            "An address has 6 to 63 small letters, digits and hyphens, with no hyphen at its ends.",
            field="slug",
        )
    return wanted


def _record(actor: User, environment: Environment, row: StatusPage) -> None:
    """The address is no part of the record: whoever reads the log need not learn it."""
    audit.record(
        Actor.of(actor),
        "status_page.set",
        target=environment.name,
        repository=environment.repository.name,
        environment=environment.name,
        summary=f"{actor.username} switched the public status page of {environment.name} {'on' if row.is_on else 'off'}",
        data={"on": row.is_on, "titles": row.shows_titles, "people": row.shows_people},
    )
