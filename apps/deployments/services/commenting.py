"""Commenting on what a deployment printed."""

from __future__ import annotations

from django.db import transaction

from apps.accounts.models import User
from apps.changes.models import ChangeRequest
from apps.changes.transitions import lock_change
from apps.core.errors import InvalidInput
from apps.core.terminal import without_sequences
from apps.core.text import visible
from apps.deployments.models import Deployment, DeploymentEvent
from apps.reviews.anchors import LogPlace, Scope, anchor_of, log_place
from apps.reviews.models import Thread
from apps.reviews.places import SNIPPET_CHARS, Found
from apps.reviews.services import threads


@transaction.atomic
def comment_on_log(
    actor: User, *, change: ChangeRequest, locator: str, body: str, kind: str = Thread.Kind.COMMENT
) -> Thread:
    """Start a thread on one line of the log of a deployment of ``change``; the line is kept with the thread.

    :class:`InvalidInput` when the locator is none, or no deployment of this change printed that line.
    """
    anchor = anchor_of(scope=Scope.LOG, locator=locator)
    place = log_place(anchor.locator)
    if place is None:
        raise InvalidInput("bad_locator", "This does not name a line of a log.", field="locator")
    found = Found(snippet=_printed(change, place))
    locked = lock_change(change)
    thread = threads.write_thread(
        actor, change=locked, anchor=anchor, revision=locked.revision, body=body, kind=kind, found=found
    )
    data: dict[str, object] = {"kind": kind, "place": anchor.place}
    threads.record(actor, thread, "thread.opened", f"opened thread {thread.number}", data)
    return thread


def _printed(change: ChangeRequest, place: LogPlace) -> str:
    deployment = Deployment.objects.filter(change=change, number=place.deployment).first()
    rows = DeploymentEvent.objects.filter(
        deployment=deployment, kind=DeploymentEvent.Kind.LOG, step=place.step, attempt=place.attempt
    )
    event = rows.filter(first_line__lte=place.line).order_by("-first_line").first() if deployment else None
    lines = event.text.split("\n") if event else []
    index = place.line - event.first_line if event else 0
    if not lines or index >= len(lines):
        raise InvalidInput(
            "unknown_line", f"No deployment of {change.label} printed the line “{place.locator}”.", field="locator"
        )
    return visible(without_sequences(lines[index]))[:SNIPPET_CHARS]
